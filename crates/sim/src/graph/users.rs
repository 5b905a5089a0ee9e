//! `GET /users`, `GET /users/{id}`

use super::{
    Ask, Context,
    envelope::Problem,
    filter::Filter,
    page,
    query::Options,
    user::{self, KNOWN, USUAL},
};
use crate::{answer::Answer, world::World};

const TAKEN: [&str; 5] = ["$select", "$top", "$filter", "$count", "$skiptoken"];

pub(super) fn list(world: &World, context: &Context, ask: &Ask) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &TAKEN)?;
    options.check_select(&KNOWN, "user")?;
    let size = page::size(world, options.page_size()?);
    let counted = options.count && ask.eventual;
    let filter = user::filter(options.filter.as_deref(), counted)?;
    let cloud = context.cloud(world);
    let wanted = |person: u32| {
        user::is_there(world, person)
            && filter
                .as_ref()
                .is_none_or(|filter| filter.matches(&|name| user::property(world, cloud, person, name)))
    };
    let named = |filter: &Filter| filter.candidates(&|name, value| user::named(world, name, value));
    let candidates = match filter.as_ref().and_then(named) {
        Some(mut few) => {
            few.sort_unstable();
            few.dedup();
            Candidates::Few(few)
        }
        None => Candidates::All(world.org.len()),
    };
    let from = page::start(world, ask, &options)?;
    let people = |from: u32| candidates.from(from).filter(|person| wanted(*person));
    let (places, next) = page::cut(people(from as u32).map(u64::from), size);
    let properties = options.properties(&KNOWN, USUAL);
    let items = places.into_iter().map(|place| user::show(world, cloud, place as u32, &properties)).collect();
    let total = counted.then(|| people(0).count());
    Ok(page::answer(world, context, (ask, &options), "users", items, next, total))
}

/// Whom a filter has to look at, in order.
enum Candidates {
    All(u32),
    Few(Vec<u32>),
}

impl Candidates {
    fn from(&self, from: u32) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::All(count) => Box::new(from..*count),
            Self::Few(few) => Box::new(few.iter().copied().filter(move |person| *person >= from)),
        }
    }
}

pub(super) fn one(world: &World, context: &Context, ask: &Ask, id: &str) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &["$select"])?;
    options.check_select(&KNOWN, "user")?;
    let person = user::find(world, id).ok_or_else(|| Problem::no_resource(id))?;
    let mut shown = user::show(world, context.cloud(world), person, &options.properties(&KNOWN, USUAL));
    let set = format!("users{}/$entity", options.selection());
    shown["@odata.context"] = format!("{}/$metadata#{set}", context.base).into();
    Ok(Answer::ok(200, shown))
}
