//! What becomes of somebody by the directory's word, for the history (`docs/adr/0028`).

use nuncio_domain::RecipientKind;
use nuncio_domain::ports::StoreError;

use super::commit::column;
use super::db::{Db, sql};
use super::fill::Said;
use crate::reach_terms::noted;

/// After the directory's word is written, which it follows from. What the history says last is what counted before: a word
/// that is said again changes nothing.
pub(crate) const NOTE: &str = noted!(
    "j.at",
    "unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[]) AS j (lane_no, key, at, kind)
       JOIN recipients AS r ON r.lane_no = j.lane_no AND r.kind = j.kind AND r.key = j.key",
    "h.history_no + 0",
    "IS DISTINCT FROM"
);

/// Of people whose standing was just written, each of them once.
pub(crate) async fn note(db: &mut Db<'_>, rows: &[(&str, &Said<'_>)]) -> Result<(), StoreError> {
    let statement = sql(NOTE)
        .bind(column(rows, |row| row.1.0))
        .bind(column(rows, |row| row.0))
        .bind(column(rows, |row| row.1.2.0))
        .bind(column(rows, |_| RecipientKind::Person.as_str()));
    db.run(statement).await.map(|_| ())
}
