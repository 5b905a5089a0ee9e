//! Lists come in pages; here they are put together again.

use nuncio_api::List;
use nuncio_client::{ClientError, PageOf};
use serde::Serialize;

use super::output;

/// The largest page that the server gives.
const LARGEST: u32 = 1000;

/// Which page to fetch.
pub(super) struct Page {
    cursor: Option<String>,
    limit: u32,
}

impl Page {
    pub(super) fn of(&self) -> PageOf<'_> {
        PageOf { cursor: self.cursor.as_deref(), limit: Some(self.limit) }
    }
}

/// Fetches pages until `limit` items or the end, and hands each to `each`. Says whether there would be more.
pub(super) async fn each_page<T>(
    limit: Option<u32>,
    fetch: impl AsyncFn(Page) -> Result<List<T>, ClientError>,
    mut each: impl FnMut(Vec<T>) -> std::io::Result<()>,
) -> anyhow::Result<bool> {
    let mut left = limit.unwrap_or(u32::MAX);
    let mut cursor = None;
    loop {
        let page = fetch(Page { cursor, limit: left.min(LARGEST) }).await?;
        if limit.is_some() {
            left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        }
        each(page.items)?;
        cursor = page.next;
        if cursor.is_none() || left == 0 {
            return Ok(cursor.is_some());
        }
    }
}

/// The same, all at once.
pub(super) async fn collect<T>(
    limit: Option<u32>,
    fetch: impl AsyncFn(Page) -> Result<List<T>, ClientError>,
) -> anyhow::Result<(Vec<T>, bool)> {
    let mut all = Vec::new();
    let more = each_page(limit, fetch, |items| {
        all.extend(items);
        Ok(())
    })
    .await?;
    Ok((all, more))
}

/// Prints a list as it was asked for, and says on stderr if it goes on.
pub(super) fn show<T: Serialize>(
    json: bool,
    (items, more): &(Vec<T>, bool),
    table: impl Fn(&[T]) -> String,
) -> std::io::Result<()> {
    if json {
        output::print_json(items)?;
    } else {
        output::print(&table(items))?;
    }
    if *more {
        eprintln!("There are more: raise --limit.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2,500 numbers in pages.
    async fn numbers(page: Page) -> Result<List<u32>, ClientError> {
        let from: u32 = page.cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let to = (from + page.limit).min(2500);
        Ok(List { items: (from..to).collect(), next: (to < 2500).then(|| to.to_string()) })
    }

    #[tokio::test]
    async fn all_pages() {
        let (all, more) = collect(None, numbers).await.unwrap();
        assert_eq!((all.len(), all.last(), more), (2500, Some(&2499), false));
    }

    #[tokio::test]
    async fn no_more_than_asked_for() {
        for (limit, more) in [(1, true), (1000, true), (2499, true), (2500, false), (9000, false)] {
            let (all, said) = collect(Some(limit), numbers).await.unwrap();
            assert_eq!((all.len(), said), (limit.min(2500) as usize, more), "{limit}");
        }
    }
}
