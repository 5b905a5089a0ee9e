//! Installs that are made for a message: who gets one is not welcomed (`docs/delivery.md`, Installing and welcoming).

use nuncio_domain::batch::Greeted;
use nuncio_domain::ports::StoreError;
use sqlx::SqliteConnection;

use super::store::write;
use crate::new_message::left_long_ago;

/// One that came to nothing is as one that was taken away long enough ago to be welcomed again.
pub(crate) const GREETED: &str = "
    INSERT INTO welcomes (lane_no, place, at, removed_at)
    SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3 FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (lane_no, place) DO UPDATE SET at = excluded.at, removed_at = excluded.removed_at";

pub(crate) async fn greeted(
    connection: &mut SqliteConnection,
    greeted: &[Greeted],
) -> Result<(), StoreError> {
    let rows: Vec<_> =
        greeted.iter().map(|one| (one.lane_no, &one.place, one.at, left_long_ago(one))).collect();
    write(connection, GREETED, &rows).await
}
