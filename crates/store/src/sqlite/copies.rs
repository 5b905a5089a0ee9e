//! `DirectoryCopies`: which of our functions serves which method, and the one row of each copy.

use async_trait::async_trait;
use nuncio_domain::directory::{Asker, DirectoryPerson, DirectorySource};
use nuncio_domain::directory_copy::{Compared, CopiedPeople, CopyCounts, CopyPage, CopyWord, DirectoryCopy};
use nuncio_domain::people::Lane;
use nuncio_domain::ports::{DirectoryCopies, StoreError};
use nuncio_domain::{Scope, Time};
use sqlx::SqliteConnection;

use super::writer::Queue;
use super::{SqliteStore, copy_compare, copy_page, copy_read};
use crate::copies::copy_of;
use crate::error::of_sqlx;
use crate::views::lane_of;
use crate::words::{get, json};

const COPY: &str = "
    SELECT rev, word, fresh_until, status AS copied FROM directory_copies WHERE lane_no = ?1";

const COPIES: &str = "
    SELECT l.lane_no, l.app, l.tenant, l.service_url, f.rev, f.word, f.fresh_until, f.status AS copied
      FROM lanes AS l LEFT JOIN directory_copies AS f ON f.lane_no = l.lane_no
     WHERE ?1 IS NULL OR l.app = ?1 ORDER BY l.lane_no";

const USED: &str = "
    SELECT f.lane_no, l.app FROM directory_copies AS f JOIN lanes AS l ON l.lane_no = f.lane_no
     WHERE f.fresh_until IS NOT NULL";

const TELL: &str = "
    INSERT INTO directory_copies (lane_no, word)
    SELECT l.lane_no, ?3 FROM lanes AS l WHERE l.lane_no = ?1 AND (?2 IS NULL OR l.app = ?2)
    ON CONFLICT (lane_no) DO UPDATE SET word = excluded.word";

/// A word that came meanwhile stays.
const KEEP: &str = "
    UPDATE directory_copies
       SET rev = rev + 1, status = ?3, complete_at = ?4, fresh_until = ?5, word = iif(word = ?6, NULL, word)
     WHERE lane_no = ?1 AND rev = ?2";

/// Whether it was not written since it was read.
pub(crate) async fn keep(
    connection: &mut SqliteConnection,
    copy: &DirectoryCopy,
) -> Result<bool, StoreError> {
    if copy.rev == 0 {
        sqlx::query("INSERT INTO directory_copies (lane_no) VALUES (?) ON CONFLICT (lane_no) DO NOTHING")
            .bind(copy.lane_no)
            .execute(&mut *connection)
            .await
            .map_err(of_sqlx)?;
    }
    let kept = sqlx::query(KEEP)
        .bind(copy.lane_no)
        .bind(copy.rev)
        .bind(json(&copy.status)?)
        .bind(copy.status.complete_at.map(|at| at.0))
        .bind(copy.fresh_until.map(|until| until.0))
        .bind(copy.obeyed.map(CopyWord::as_str))
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(kept.rows_affected() == 1)
}

#[async_trait]
impl DirectoryCopies for SqliteStore {
    #[tracing::instrument(name = "store.copy", level = "debug", skip(self))]
    async fn copy(&self, lane_no: i64) -> Result<DirectoryCopy, StoreError> {
        let row = sqlx::query(COPY).bind(lane_no).fetch_optional(&self.readers).await.map_err(of_sqlx)?;
        copy_of(lane_no, row.as_ref())
    }

    #[tracing::instrument(name = "store.copies", level = "debug", skip_all)]
    async fn copies(&self, scope: &Scope) -> Result<Vec<(Lane, DirectoryCopy)>, StoreError> {
        let rows = sqlx::query(COPIES).bind(&scope.app).fetch_all(&self.readers).await.map_err(of_sqlx)?;
        rows.iter().map(|row| Ok((lane_of(row)?, copy_of(get(row, "lane_no")?, Some(row))?))).collect()
    }

    #[tracing::instrument(name = "store.used_copies", level = "debug", skip_all)]
    async fn used_copies(&self) -> Result<Vec<(i64, String)>, StoreError> {
        sqlx::query_as(USED).fetch_all(&self.readers).await.map_err(of_sqlx)
    }

    #[tracing::instrument(name = "store.tell_copy", level = "debug", skip(self, scope))]
    async fn tell_copy(&self, scope: &Scope, lane_no: i64, word: CopyWord) -> Result<bool, StoreError> {
        let app = scope.app.clone();
        self.write(Queue::Api, move |connection| {
            Box::pin(async move {
                let told = sqlx::query(TELL).bind(lane_no).bind(app).bind(word.as_str()).execute(connection);
                Ok(told.await.map_err(of_sqlx)?.rows_affected() == 1)
            })
        })
        .await
    }

    #[tracing::instrument(name = "store.keep_copy", level = "debug", skip_all, fields(lane_no = copy.lane_no))]
    async fn keep_copy(&self, copy: &DirectoryCopy) -> Result<bool, StoreError> {
        let copy = copy.clone();
        self.write(Queue::Expansion, move |connection| Box::pin(async move { keep(connection, &copy).await }))
            .await
    }

    #[tracing::instrument(name = "store.keep_page", level = "debug", skip_all, fields(lane_no = copy.lane_no))]
    async fn keep_page(
        &self,
        copy: &DirectoryCopy,
        round: i64,
        page: &CopyPage,
        now: Time,
    ) -> Result<bool, StoreError> {
        let (copy, page) = (copy.clone(), page.clone());
        self.write(Queue::Expansion, move |connection| {
            Box::pin(async move {
                if !keep(connection, &copy).await? {
                    return Ok(false);
                }
                copy_page::write(connection, (copy.lane_no, round), &page, now).await?;
                Ok(true)
            })
        })
        .await
    }

    #[tracing::instrument(name = "store.compare", level = "debug", skip_all, fields(lane_no = copy.lane_no))]
    async fn compare(&self, copy: &DirectoryCopy, from: Compared) -> Result<Option<Compared>, StoreError> {
        let of = (copy.lane_no, copy.rev, copy.round());
        self.write(Queue::Expansion, move |connection| Box::pin(copy_compare::compare(connection, of, from)))
            .await
    }

    #[tracing::instrument(name = "store.count_copy", level = "debug", skip(self))]
    async fn count_copy(&self, lane_no: i64) -> Result<(CopyCounts, CopyCounts), StoreError> {
        copy_compare::count(&self.readers, lane_no).await
    }

    #[tracing::instrument(name = "store.take_away", level = "debug", skip_all, fields(lane_no = copy.lane_no))]
    async fn take_away(&self, copy: &DirectoryCopy, now: Time) -> Result<bool, StoreError> {
        let of = (copy.lane_no, copy.rev);
        self.write(Queue::Expansion, move |connection| Box::pin(copy_compare::take_away(connection, of, now)))
            .await
    }

    #[tracing::instrument(name = "store.find_people", level = "debug", skip_all, fields(names = names.len()))]
    async fn find_people(
        &self,
        asker: Asker<'_>,
        names: &[String],
        now: Time,
    ) -> Result<Vec<Option<DirectoryPerson>>, StoreError> {
        copy_read::find(&self.readers, asker, names, now).await
    }

    #[tracing::instrument(name = "store.copied_people", level = "debug", skip(self, from, now))]
    async fn copied_people(
        &self,
        lane_no: i64,
        from: &DirectorySource,
        after: i64,
        limit: i64,
        now: Time,
    ) -> Result<Option<CopiedPeople>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(of_sqlx)?;
        copy_read::people(&mut connection, &self.closures, (lane_no, from), (after, limit), now).await
    }
}
