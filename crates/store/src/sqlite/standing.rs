//! What becomes of somebody by the directory's word, for the history (`docs/adr/0028`).

use nuncio_domain::ports::StoreError;
use sqlx::SqliteConnection;

use super::fill::Row;
use super::store::write;
use crate::reach_terms::noted;

/// After the directory's word is written, which it follows from. What the history says last is what counted before: a word
/// that is said again changes nothing.
pub(crate) const NOTE: &str = concat!(
    noted!(
        "j.value ->> 8",
        "jsonb_each(?1) AS j
          CROSS JOIN recipients AS r ON r.lane_no = j.value ->> 0 AND r.kind = 'person' AND r.key = j.value ->> 1",
        "h.rowid",
        "IS NOT"
    ),
    // Somebody may be named twice.
    " GROUP BY s.recipient_no"
);

/// Of people whose standing was just written, in these rows.
pub(crate) async fn note(connection: &mut SqliteConnection, rows: &[Row<'_>]) -> Result<(), StoreError> {
    write(connection, NOTE, rows).await
}
