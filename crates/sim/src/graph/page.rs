//! Pages and the opaque tokens that go on with them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Ask, Context,
    envelope::{Ids, Problem},
    query::Options,
};
use crate::{
    answer::Answer,
    signing::{b64, sha256, unb64},
    world::World,
};

/// What a fault does to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PageFault {
    /// `@odata.nextLink` leads to this page again.
    Repeats,
    /// Only half of the items are there; what is missing comes with no other page.
    Half,
    /// There is more, and no link tells it.
    Ends,
    /// Nothing is there, and the link leads to this page, which is then as it should be: Microsoft's pages may be empty.
    Empty,
}

impl PageFault {
    /// Leaves alone what is no page.
    pub(crate) fn spoil(self, answer: &mut Answer, ids: &Ids) {
        let Some(Value::Object(body)) = &mut answer.body else { return };
        let Some(Value::Array(items)) = body.get_mut("value") else { return };
        match self {
            Self::Repeats => {
                body.insert("@odata.nextLink".into(), ids.url.clone().into());
                body.remove("@odata.deltaLink");
            }
            Self::Empty => {
                items.clear();
                body.insert("@odata.nextLink".into(), ids.url.clone().into());
                body.remove("@odata.deltaLink");
            }
            Self::Half => items.truncate(items.len() / 2),
            Self::Ends => {
                body.remove("@odata.nextLink");
            }
        }
    }
}

/// Binds a text to this organisation and to one query, so that another query's token is not taken.
pub(super) fn seal(world: &World, bound: &str, text: &str) -> String {
    let tag = tag(world, bound, text);
    b64([tag.as_slice(), text.as_bytes()].concat())
}

pub(super) fn open(world: &World, bound: &str, token: &str) -> Option<String> {
    let bytes = unb64(token)?;
    let (tagged, text) = bytes.split_at_checked(12)?;
    let text = std::str::from_utf8(text).ok()?;
    (tagged == tag(world, bound, text)).then(|| text.to_owned())
}

fn tag(world: &World, bound: &str, text: &str) -> [u8; 12] {
    let epoch = world.org.changes.epoch;
    let hash = sha256(&[b"page|", epoch.as_bytes(), b"|", bound.as_bytes(), b"|", text.as_bytes()]);
    let mut tag = [0; 12];
    tag.copy_from_slice(&hash[..12]);
    tag
}

/// What a token of this query is bound to.
pub(super) fn bound(ask: &Ask, options: &Options) -> String {
    format!("{}?{}", ask.path.to_lowercase(), options.meaning())
}

/// How large a page is of which so much is wanted.
pub(super) fn size(world: &World, wanted: usize) -> usize {
    world.settings.graph_page_max.map_or(wanted, |most| wanted.min(most))
}

/// Where to begin.
pub(super) fn start(world: &World, ask: &Ask, options: &Options) -> Result<u64, Problem> {
    let Some(token) = &options.skip_token else { return Ok(0) };
    let text = open(world, &bound(ask, options), token);
    let from = text.and_then(|text| text.strip_prefix("from ")?.parse().ok());
    from.ok_or_else(|| {
        let text =
            "The specified page token value has expired and can no longer be included in your request.";
        Problem::new(400, "Directory_ExpiredPageToken", text)
    })
}

/// So many places that are taken from `from` on, and that of the first one after them.
pub(super) fn cut(mut places: impl Iterator<Item = u64>, size: usize) -> (Vec<u64>, Option<u64>) {
    let page: Vec<u64> = places.by_ref().take(size).collect();
    (page, places.next())
}

/// One page of a list. `total` is asked only where it was wanted.
pub(super) fn answer(
    world: &World,
    context: &Context,
    (ask, options): (&Ask, &Options),
    set: &str,
    items: Vec<Value>,
    next: Option<u64>,
    total: Option<usize>,
) -> Answer {
    let mut body = json!({
        "@odata.context": format!("{}/$metadata#{set}{}", context.base, options.selection()),
    });
    body["value"] = Value::Array(items);
    if let Some(total) = total {
        body["@odata.count"] = total.into();
    }
    if let Some(next) = next {
        let token = seal(world, &bound(ask, options), &format!("from {next}"));
        let path = format!("{}{}", context.base, ask.path);
        body["@odata.nextLink"] = options.link(&path, "$skiptoken", &token).into();
    }
    Answer::ok(200, body)
}
