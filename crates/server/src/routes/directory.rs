//! `GET /v1/directory`: the synchronised copy of each lane's directory, or that there is none.
//! `POST /v1/directory/{lane}/sync`: a round now, with `?full=true` one that reads everything anew.
//! `POST …/confirm`, `POST …/reject`: the answer to a copy in the state `asks`, which would lose over a tenth of what it
//! has: it may go, or what was read is not to be believed and is read anew. All three are for administrators.
//!
//! Answered 202 when the word is stored; the copy in the answer may not have changed yet.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use nuncio_api::{self as api, Code, List};
use nuncio_domain::LaneId;
use nuncio_domain::directory_copy::{CopyCounts, CopyState, CopyWord, DirectoryCopy};
use nuncio_domain::people::Lane;

use super::id;
use crate::access::{Access, Caller, CanRead, IsAdmin};
use crate::problem::Refusal;
use crate::query::Params;
use crate::times::text;

pub(crate) async fn list(
    caller: Caller<CanRead>,
    params: Params,
) -> Result<Json<List<api::DirectoryCopy>>, Refusal> {
    params.only(&[])?;
    let copies = caller.copies().copies(caller.scope()).await?;
    let items = copies.into_iter().map(|(lane, copy)| shown(&caller, &lane, &copy)).collect();
    Ok(Json(List { items, next: None }))
}

type Answer = Result<(StatusCode, Json<api::DirectoryCopy>), Refusal>;

pub(crate) async fn sync(caller: Caller<IsAdmin>, Path(lane): Path<String>, params: Params) -> Answer {
    let params = params.only(&["full"])?;
    let word = match params.get("full") {
        Some("true") => CopyWord::Everything,
        None | Some("false") => CopyWord::Changes,
        Some(_) => return Err(Refusal::at(Code::InvalidRequest, "?full", "this is `true` or `false`")),
    };
    tell(&caller, &lane, word).await
}

pub(crate) async fn confirm(caller: Caller<IsAdmin>, Path(lane): Path<String>) -> Answer {
    tell(&caller, &lane, CopyWord::Confirm).await
}

pub(crate) async fn reject(caller: Caller<IsAdmin>, Path(lane): Path<String>) -> Answer {
    tell(&caller, &lane, CopyWord::Reject).await
}

async fn tell(access: &Access, lane: &str, word: CopyWord) -> Answer {
    let LaneId(lane_no) = id(lane, "lane")?;
    let (lane, copy) = one(access, lane_no).await?;
    if !is_synchronised(access, &lane) {
        let text =
            format!("app {} asks Microsoft Graph each time; no copy of the directory is kept", lane.app);
        return Err(Refusal::new(Code::DirectoryNotSynchronised, text));
    }
    match (word, copy.status.state) {
        (CopyWord::Confirm | CopyWord::Reject, CopyState::Asks) | (CopyWord::Everything, _) => {}
        (CopyWord::Confirm | CopyWord::Reject, state) => {
            let text = format!("the copy is {state}: there is nothing to {word}");
            return Err(Refusal::new(Code::NothingToConfirm, text));
        }
        (CopyWord::Changes, CopyState::Asks) => {
            return Err(Refusal::new(Code::DirectoryAsks, "the last round would take away over a tenth"));
        }
        (CopyWord::Changes, _) => {}
    }
    if !access.copies().tell_copy(access.scope(), lane_no, word).await? {
        return Err(Refusal::not_found("lane"));
    }
    access.wake_sync(lane_no);
    let (lane, copy) = one(access, lane_no).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(access, &lane, &copy))))
}

async fn one(access: &Access, lane_no: i64) -> Result<(Lane, DirectoryCopy), Refusal> {
    let copies = access.copies().copies(access.scope()).await?;
    let found = copies.into_iter().find(|(lane, _)| lane.lane_no == lane_no);
    found.ok_or_else(|| Refusal::not_found("lane"))
}

fn is_synchronised(access: &Access, lane: &Lane) -> bool {
    access.apps().iter().any(|app| app.name == lane.app && app.synchronised)
}

fn shown(access: &Access, lane: &Lane, copy: &DirectoryCopy) -> api::DirectoryCopy {
    let status = &copy.status;
    let loss = |CopyCounts { people, groups, members }| api::DirectoryLoss { people, groups, members };
    let now = access.app().now();
    api::DirectoryCopy {
        lane: LaneId(lane.lane_no).to_string(),
        app: lane.app.clone(),
        tenant: lane.tenant.clone(),
        directory: if is_synchronised(access, lane) { "synchronised" } else { "live" }.to_owned(),
        state: status.state.to_string(),
        since: (status.state != CopyState::Never).then(|| text(status.since)),
        cause: status.cause.clone(),
        people: status.counts.people,
        groups: status.counts.groups,
        members: status.counts.members,
        complete_at: status.complete_at.map(text),
        used_until: copy.fresh_until.filter(|until| *until > now).map(text),
        next_at: status.next_at.map(text),
        round: status.round.as_ref().map(|round| api::DirectoryRound {
            full: round.full,
            step: round.step.to_string(),
            begun_at: text(round.begun_at),
            read: round.read,
        }),
        asks: status.asks.map(loss),
    }
}
