//! `GET /v1/people`: people, channels and chats that the apps have met, and whether each can be reached; filtered by
//! `kind`, `state`, `how` (it is known), `since` (in that state since then or later), `app`, `tenant`, and `message`,
//! whose audience is listed, each of it once. A page can have fewer than `limit` and yet a `next`: one request looks at
//! a million rows at most.
//! `GET /v1/people/{id}`: one of them, by Entra object id or conversation id (of a thread, its channel), with what was
//! known before; with `app` and `tenant` where several know it.

use axum::Json;
use axum::extract::Path;
use nuncio_api::{Code, List, MUTED, Person, PersonWithHistory};
use nuncio_domain::people::PeopleFilter;
use nuncio_domain::views::Page;
use nuncio_domain::{How, ReachState, RecipientKind, Time};
use nuncio_teams::schema::thread_of;

use super::{message_id, only_one, tenant};
use crate::access::{Access, Caller, CanRead};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::validate::guid;
use crate::{times, views};

const LARGEST_PAGE: i64 = 1000;
/// Pages of the store, of 5,000 rows each, that one request looks at.
pub(super) const LOOKS: usize = 200;

pub(super) const FILTERS: [&str; 7] = ["kind", "state", "how", "since", "app", "tenant", "message"];

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<Person>>, Refusal> {
    let params = params.only(&[&FILTERS[..], &["cursor", "limit"]].concat())?;
    let filter = filter(&caller, &params).await?;
    let paging = Paging::of(&caller, "people", &params, LARGEST_PAGE)?;
    let page = gathered(&caller, &filter, paging.after, paging.limit).await?;
    Ok(Json(paging.list(page, views::person)))
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<PersonWithHistory>, Refusal> {
    let params = params.only(&["app", "tenant"])?;
    let filter =
        PeopleFilter { app: params.owned("app"), tenant: tenant(&params), ..PeopleFilter::default() };
    // Object ids are stored in lower case.
    // Of a thread, its channel is what can be reached or not.
    let key = guid(&id).unwrap_or_else(|| thread_of(&id).to_owned());
    let person = only_one(caller.registry().person(caller.scope(), &key, &filter).await?, "person")?;
    let history = caller.registry().reach_history(caller.scope(), person.recipient_no).await?;
    Ok(Json(PersonWithHistory {
        person: views::person(person),
        history: history.into_iter().map(views::past).collect(),
        muted: MUTED.to_owned(),
    }))
}

/// Who is meant.
pub(super) async fn filter(access: &Access, params: &Params) -> Result<PeopleFilter, Refusal> {
    let kinds: Vec<&str> = RecipientKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let states: Vec<&str> = ReachState::ALL.iter().map(|state| state.as_str()).collect();
    let message_no = match params.get("message") {
        None => None,
        Some(text) => {
            let message = access.ledger().message(access.scope(), message_id(text)?).await?;
            Some(message.ok_or_else(|| Refusal::not_found("message"))?.message_no)
        }
    };
    Ok(PeopleFilter {
        kind: params.word("kind", RecipientKind::of_word, &kinds)?,
        reach: params.word("state", ReachState::of_word, &states)?,
        how: how(params)?,
        since: since(params)?,
        message_no,
        app: params.owned("app"),
        tenant: tenant(params),
    })
}

pub(super) fn how(params: &Params) -> Result<Option<How>, Refusal> {
    let words: Vec<&str> = How::ALL.iter().map(|how| how.as_str()).collect();
    params.word("how", How::of_word, &words)
}

pub(super) fn since(params: &Params) -> Result<Option<Time>, Refusal> {
    let Some(text) = params.get("since") else { return Ok(None) };
    times::parse(text).map(Some).ok_or_else(|| {
        let text = "this must be a time of RFC 3339, like 2026-11-22T10:00:00Z";
        Refusal::at(Code::InvalidRequest, "?since", text)
    })
}

/// A page, from as many looks as it takes.
pub(super) async fn gathered(
    access: &Access,
    filter: &PeopleFilter,
    mut after: Option<i64>,
    limit: i64,
) -> Result<Page<nuncio_domain::people::Person>, Refusal> {
    let mut items = Vec::new();
    for _ in 0..LOOKS {
        let left = limit - items.len() as i64;
        let mut page = access.registry().people(access.scope(), filter, after, left).await?;
        items.append(&mut page.items);
        after = page.next;
        if after.is_none() || items.len() as i64 >= limit {
            break;
        }
    }
    Ok(Page { items, next: after })
}
