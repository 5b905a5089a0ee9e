//! Leaving word for the owner of a message.

use nuncio_domain::message::Controlled;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Control, MessageId, Scope};
use sqlx::SqliteConnection;

use crate::control::may;
use crate::error::of_sqlx;
use crate::words::get;

pub(crate) async fn control(
    connection: &mut SqliteConnection,
    scope: &Scope,
    id: MessageId,
    control: Control,
) -> Result<Controlled, StoreError> {
    let row = sqlx::query(
        "SELECT m.message_no, m.lane_no, m.state, m.cause, m.control, m.closed_to, l.app
           FROM messages AS m CROSS JOIN lanes AS l ON l.lane_no = m.lane_no WHERE m.id = ?",
    )
    .bind(id.0.as_bytes().as_slice())
    .fetch_optional(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let Some(row) = row else { return Ok(Controlled::NotFound) };
    if !scope.sees_app(get(&row, "app")?) {
        return Ok(Controlled::NotFound);
    }
    if let Err(state) = may(&row, control)? {
        return Ok(Controlled::TooLate { state });
    }
    let lane_no = get(&row, "lane_no")?;
    sqlx::query(
        "UPDATE messages
            SET control = ?2,
                max_recipients = iif(?2 = 'confirm', max(max_recipients,
                    (SELECT c.pending + c.in_flight + c.delivered + c.failed + c.skipped + c.ambiguous
                       FROM message_counts AS c WHERE c.message_no = messages.message_no)), max_recipients)
          WHERE message_no = ?1",
    )
    .bind(get::<i64>(&row, "message_no")?)
    .bind(control.as_str())
    .execute(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    raise(connection, lane_no).await?;
    Ok(Controlled::Taken { lane_no })
}

/// Tells owners that look instead of being woken.
pub(crate) async fn raise(connection: &mut SqliteConnection, lane_no: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE lanes SET control_rev = control_rev + 1 WHERE lane_no = ?")
        .bind(lane_no)
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(())
}
