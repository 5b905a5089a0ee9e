//! Whether the counts say what the rows say, as `nuncio doctor --ledger` asks. Reads every delivery.

use nuncio_domain::ports::StoreError;
use nuncio_domain::{Counts, DeliveryState};

use super::SqliteStore;
use crate::LedgerDifference;
use crate::error::of_sqlx;
use crate::views::counts;
use crate::words::{get, word};

impl SqliteStore {
    /// The counts of a message as its rows have them, those that wait to be swept as what they will be.
    pub async fn count_rows(&self, message_no: i64) -> Result<Counts, StoreError> {
        let rows = sqlx::query(
            "SELECT iif(d.state = 'pending' AND m.closed_to IS NOT NULL, m.closed_to, d.state) AS shown, count(*) AS n
               FROM messages AS m CROSS JOIN deliveries AS d ON d.message_no = m.message_no
              WHERE m.message_no = ? GROUP BY shown",
        )
        .bind(message_no)
        .fetch_all(&self.readers)
        .await
        .map_err(of_sqlx)?;
        let mut counts = Counts::default();
        for row in &rows {
            *counts.of(word(row, "shown", DeliveryState::of_word)?) = get(row, "n")?;
        }
        Ok(counts)
    }

    /// All messages whose ledger is wrong; there must be none. Only exact while nothing is being written.
    pub async fn verify_ledger(&self) -> Result<Vec<LedgerDifference>, StoreError> {
        let mut differences = Vec::new();
        let mut after = 0;
        loop {
            let row =
                sqlx::query("SELECT * FROM message_counts WHERE message_no > ? ORDER BY message_no LIMIT 1")
                    .bind(after)
                    .fetch_optional(&self.readers)
                    .await
                    .map_err(of_sqlx)?;
            let Some(row) = row else { return Ok(differences) };
            after = get(&row, "message_no")?;
            let (counts, rows) = (counts(&row)?, self.count_rows(after).await?);
            if counts != rows {
                differences.push(LedgerDifference { message_no: after, counts, rows });
            }
        }
    }
}
