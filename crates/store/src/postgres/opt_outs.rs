//! Who wants no messages of an app: what the API reads and notes. What people say themselves is in `own_words.rs`.

use nuncio_domain::people::{OptOut, PeopleFilter};
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use nuncio_domain::{RecipientKind, Scope, Time};

use super::db::{Db, sql};
use super::keys::speaker;
use super::own_words::{RECIPIENT, opt_in, opt_out};
use super::recipients::add_recipients;
use crate::views::{opt_out as view, paged};
use crate::words::get;

pub(crate) const LIST: &str = "
    SELECT o.recipient_no, l.app, l.tenant, r.key, r.name, r.upn, o.since, o.how
      FROM opt_outs AS o
     CROSS JOIN LATERAL (SELECT * FROM recipients AS r WHERE r.recipient_no = o.recipient_no OFFSET 0) AS r
     CROSS JOIN LATERAL (SELECT * FROM lanes AS l WHERE l.lane_no = r.lane_no OFFSET 0) AS l
     WHERE o.recipient_no > $4
       AND ($1::text IS NULL OR l.app = $1) AND ($2::text IS NULL OR l.app = $2) AND ($3::text IS NULL OR l.tenant = $3)
     ORDER BY o.recipient_no LIMIT $5";

pub(crate) async fn list(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &PeopleFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<OptOut>, StoreError> {
    let statement = sql(LIST)
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(after.unwrap_or(0))
        .bind(limit.saturating_add(1));
    paged(&db.rows(statement).await?, limit, view, |one| one.recipient_no)
}

/// Whether that is new. Of a lane that the caller has not, nothing is noted.
pub(crate) async fn set(
    db: &mut Db<'_>,
    scope: &Scope,
    (lane_no, person): (i64, &str),
    out: bool,
    now: Time,
) -> Result<bool, StoreError> {
    let lane = db.row(sql("SELECT app FROM lanes WHERE lane_no = $1").bind(lane_no)).await?;
    if !lane.is_some_and(|lane| get(&lane, "app").is_ok_and(|app| scope.sees_app(app))) {
        return Ok(false);
    }
    if out {
        // Somebody may be known to want nothing before they are known at all.
        add_recipients(db, &[(lane_no, RecipientKind::Person, person)]).await?;
    }
    let known = sql(RECIPIENT).bind(lane_no).bind(RecipientKind::Person.as_str()).bind(person);
    let Some(row) = db.row(known).await? else { return Ok(false) };
    let recipient_no = get(&row, "recipient_no")?;
    if out {
        let how = format!("{} noted it", speaker(db, scope.key_no).await?);
        opt_out(db, recipient_no, now, &how).await
    } else {
        opt_in(db, recipient_no).await
    }
}
