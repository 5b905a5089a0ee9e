//! `GET /v1/reachability`: how many people are in each state, and how that is known; filtered by `app` and `tenant`, of
//! another `kind`, or of the audience of a `message`.
//! `GET /v1/reachability/changes`: who came into another state, in the order in which that was stored; filtered by `since`,
//! `state` (the new one), `how`, `kind`, `app`, `tenant`. `resume` is the cursor to come back with: nothing is left out
//! that is stored later. What only contradicts a state is no change; it is in the recipient's history.

use axum::Json;
use nuncio_api::{Changes, Code, Reachability};
use nuncio_domain::reach::{ChangeFilter, Position};
use nuncio_domain::{ReachState, RecipientKind};

use super::people::{LOOKS, filter, how, since};
use super::tenant;
use crate::access::{Caller, CanRead};
use crate::problem::Refusal;
use crate::query::{Params, limit, mark};
use crate::views;

const LARGEST_PAGE: i64 = 1000;

pub(crate) async fn counts(caller: Caller<CanRead>, params: Params) -> Result<Json<Reachability>, Refusal> {
    let params = params.only(&["kind", "app", "tenant", "message"])?;
    let mut filter = filter(&caller, &params).await?;
    if filter.message_no.is_none() {
        filter.kind = filter.kind.or(Some(RecipientKind::Person));
    }
    let shares = caller.registry().reachability(caller.scope(), &filter).await?;
    Ok(Json(views::reachability(shares)))
}

pub(crate) async fn changes(caller: Caller<CanRead>, params: Params) -> Result<Json<Changes>, Refusal> {
    let params = params.only(&["since", "state", "how", "kind", "app", "tenant", "cursor", "limit"])?;
    let kinds: Vec<&str> = RecipientKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let states: Vec<&str> = ReachState::ALL.iter().map(|state| state.as_str()).collect();
    let filter = ChangeFilter {
        since: since(&params)?,
        kind: params.word("kind", RecipientKind::of_word, &kinds)?,
        state: params.word("state", ReachState::of_word, &states)?,
        how: how(&params)?,
        app: params.owned("app"),
        tenant: tenant(&params),
    };
    let mark = mark(&caller, "changes of reachability", &params);
    let limit = limit(&params, LARGEST_PAGE)?;
    let mut after = match params.get("cursor") {
        None => None,
        Some(cursor) => {
            let read = mark.read_two(cursor).map(|(tx, number)| Position(tx, number));
            let text = "this cursor is not of this list, filter and key";
            Some(read.ok_or_else(|| Refusal::at(Code::BadCursor, "?cursor", text))?)
        }
    };
    let mut items = Vec::new();
    let mut more = true;
    for _ in 0..LOOKS {
        let left = limit - items.len() as i64;
        let mut page = caller.registry().reach_changes(caller.scope(), &filter, after, left).await?;
        items.append(&mut page.items);
        (after, more) = (Some(page.reached), page.more);
        if !more || items.len() as i64 >= limit {
            break;
        }
    }
    let Position(tx, number) = after.unwrap_or_default();
    let resume = mark.write_two(tx, number);
    Ok(Json(Changes {
        items: items.into_iter().map(views::change).collect(),
        next: more.then(|| resume.clone()),
        resume,
    }))
}
