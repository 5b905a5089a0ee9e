//! The numbers of recipients by what callers, activities and the directory call them.

use nuncio_domain::RecipientKind;
use nuncio_domain::ports::StoreError;

use super::commit::column;
use super::db::{Db, plain, sql};
use crate::error::broken;
use crate::words::get;

/// A lane, and somebody of it.
pub(crate) type Called<'k> = (i64, RecipientKind, &'k str);

pub(crate) const NUMBERS: &str = "
    SELECT j.nth, r.recipient_no
      FROM (SELECT unnest($1::bigint[]) AS lane_no, unnest($2::text[]) AS kind, unnest($3::text[]) AS key,
                   unnest($4::bigint[]) AS nth) AS j
      JOIN recipients AS r ON r.lane_no = j.lane_no AND r.kind = j.kind AND r.key = j.key";

/// For those who are not there yet: an insert that finds its row there uses up a number for nothing.
const NEW: &str = "
    INSERT INTO recipients (lane_no, kind, key)
    SELECT unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[])
    ON CONFLICT (lane_no, kind, key) DO NOTHING
    RETURNING recipient_no";

/// Adds who is not known yet, in their order; the number of each.
pub(crate) async fn add_recipients(db: &mut Db<'_>, called: &[Called<'_>]) -> Result<Vec<i64>, StoreError> {
    let mut numbers = known(db, called).await?;
    let missing: Vec<usize> = (0..called.len()).filter(|nth| numbers[*nth].is_none()).collect();
    if !missing.is_empty() {
        let new = column(&missing, |nth| called[*nth]);
        let statement = sql(NEW)
            .bind(column(&new, |new| new.0))
            .bind(column(&new, |new| new.1.as_str()))
            .bind(column(&new, |new| plain(new.2)));
        let made = db.rows(statement).await?;
        let added = if made.len() == new.len() {
            made.iter().map(|row| get(row, "recipient_no").map(Some)).collect::<Result<_, _>>()?
        } else {
            // Another writer was faster, or one of them is called in two ways.
            known(db, &new).await?
        };
        for (nth, number) in missing.into_iter().zip(added) {
            numbers[nth] = number;
        }
    }
    numbers.into_iter().collect::<Option<_>>().ok_or_else(|| broken("a recipient was not stored"))
}

async fn known(db: &mut Db<'_>, called: &[Called<'_>]) -> Result<Vec<Option<i64>>, StoreError> {
    let statement = sql(NUMBERS)
        .bind(column(called, |called| called.0))
        .bind(column(called, |called| called.1.as_str()))
        .bind(column(called, |called| plain(called.2)))
        .bind((0..called.len() as i64).collect::<Vec<_>>());
    let mut numbers = vec![None; called.len()];
    for row in &db.rows(statement).await? {
        let nth = usize::try_from(get::<i64>(row, "nth")?).ok();
        if let Some(number) = nth.and_then(|nth| numbers.get_mut(nth)) {
            *number = Some(get(row, "recipient_no")?);
        }
    }
    Ok(numbers)
}
