//! Whether the counts say what the rows say, as `nuncio doctor --ledger` asks. Reads every delivery.

use nuncio_domain::ports::StoreError;
use nuncio_domain::{Counts, DeliveryState};

use super::PostgresStore;
use super::db::sql;
use crate::LedgerDifference;
use crate::views::counts;
use crate::words::{get, word};

pub(crate) const COUNT_ROWS: &str = "
    SELECT CASE WHEN d.state = 'pending' AND m.closed_to IS NOT NULL THEN m.closed_to ELSE d.state END AS shown,
           count(*) AS n
      FROM messages AS m JOIN deliveries AS d ON d.message_no = m.message_no
     WHERE m.message_no = $1 AND d.message_no = $1 GROUP BY shown";

impl PostgresStore {
    /// The counts of a message as its rows have them, those that wait to be swept as what they will be.
    pub async fn count_rows(&self, message_no: i64) -> Result<Counts, StoreError> {
        let mut reading = self.readers.reading().await?;
        let mut counts = Counts::default();
        for row in &reading.db().rows(sql(COUNT_ROWS).bind(message_no)).await? {
            *counts.of(word(row, "shown", DeliveryState::of_word)?) = get(row, "n")?;
        }
        Ok(counts)
    }

    /// All messages whose ledger is wrong; there must be none. Only exact while nothing is being written.
    pub async fn verify_ledger(&self) -> Result<Vec<LedgerDifference>, StoreError> {
        let mut differences = Vec::new();
        let mut after: i64 = 0;
        loop {
            let next = sql("SELECT * FROM message_counts WHERE message_no > $1 ORDER BY message_no LIMIT 1");
            let row = {
                let mut reading = self.readers.reading().await?;
                reading.db().row(next.bind(after)).await?
            };
            let Some(row) = row else { return Ok(differences) };
            after = get(&row, "message_no")?;
            let (counts, rows) = (counts(&row)?, self.count_rows(after).await?);
            if counts != rows {
                differences.push(LedgerDifference { message_no: after, counts, rows });
            }
        }
    }
}
