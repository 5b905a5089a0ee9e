//! Leaving word for the owner of a message.

use nuncio_domain::message::Controlled;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Control, MessageId, Scope};

use super::db::{Db, sql};
use crate::control::may;
use crate::words::get;

const CONTROL: &str = "
    UPDATE messages AS m
       SET control = $2,
           max_recipients = CASE WHEN $2 = 'confirm' THEN greatest(m.max_recipients,
               (SELECT c.pending + c.in_flight + c.delivered + c.failed + c.skipped + c.ambiguous
                  FROM message_counts AS c WHERE c.message_no = m.message_no)) ELSE m.max_recipients END
     WHERE message_no = $1";

pub(crate) async fn control(
    db: &mut Db<'_>,
    scope: &Scope,
    id: MessageId,
    control: Control,
) -> Result<Controlled, StoreError> {
    let row = db
        .row(
            sql("SELECT m.lane_no, l.app FROM messages AS m JOIN lanes AS l ON l.lane_no = m.lane_no WHERE m.id = $1")
                .bind(id.0),
        )
        .await?;
    let Some(row) = row else { return Ok(Controlled::NotFound) };
    if !scope.sees_app(get(&row, "app")?) {
        return Ok(Controlled::NotFound);
    }
    let lane_no: i64 = get(&row, "lane_no")?;
    // Before the message's row; raised in vain if it is too late, which does no harm.
    raise(db, lane_no).await?;
    // Its owner may be at work on it.
    let locked =
        "SELECT message_no, state, cause, control, closed_to FROM messages WHERE id = $1 FOR NO KEY UPDATE";
    let row = db.one(sql(locked).bind(id.0)).await?;
    if let Err(state) = may(&row, control)? {
        return Ok(Controlled::TooLate { state });
    }
    db.run(sql(CONTROL).bind(get::<i64>(&row, "message_no")?).bind(control.as_str())).await?;
    Ok(Controlled::Taken { lane_no })
}

/// Tells owners that look instead of being woken.
pub(crate) async fn raise(db: &mut Db<'_>, lane_no: i64) -> Result<(), StoreError> {
    let raised = sql("UPDATE lanes SET control_rev = control_rev + 1 WHERE lane_no = $1");
    db.run(raised.bind(lane_no)).await.map(|_| ())
}
