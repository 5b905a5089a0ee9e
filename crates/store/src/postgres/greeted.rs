//! Installs that are made for a message: who gets one is not welcomed (`docs/delivery.md`, Installing and welcoming).

use std::collections::BTreeMap;

use nuncio_domain::batch::Greeted;
use nuncio_domain::ports::StoreError;

use super::db::{Db, plain, sql};
use crate::new_message::left_long_ago;

/// One that came to nothing is as one that was taken away long enough ago to be welcomed again.
pub(crate) const GREETED: &str = "
    INSERT INTO welcomes (lane_no, place, at, removed_at)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
    ON CONFLICT (lane_no, place) DO UPDATE SET at = excluded.at, removed_at = excluded.removed_at";

pub(crate) async fn greeted(db: &mut Db<'_>, greeted: &[Greeted]) -> Result<(), StoreError> {
    // An upsert takes each place once; the last word counts.
    let last: BTreeMap<(i64, &str), &Greeted> =
        greeted.iter().map(|one| ((one.lane_no, one.place.as_str()), one)).collect();
    if last.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Greeted) -> i64| last.values().map(|one| of(one)).collect::<Vec<i64>>();
    let places: Vec<_> = last.values().map(|one| plain(&one.place)).collect();
    let removed: Vec<Option<i64>> = last.values().map(|one| left_long_ago(one).map(|at| at.0)).collect();
    let statement =
        sql(GREETED).bind(column(|one| one.lane_no)).bind(places).bind(column(|one| one.at.0)).bind(removed);
    db.run(statement).await.map(|_| ())
}
