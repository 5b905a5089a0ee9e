//! The port `Directory` with a copy before it: names that the copy knows are not asked of Graph. Pages are Graph's: what
//! the copy has of an audience, the store reads by itself (`docs/adr/0025`).

use std::sync::Arc;

use async_trait::async_trait;
use nuncio_domain::Clock;
use nuncio_domain::directory::{Asker, Directory, DirectoryError, DirectoryPage, DirectorySource, Resolved};
use nuncio_domain::ports::DirectoryCopies;

/// Asks the copy first.
pub struct CopiedDirectory {
    copies: Arc<dyn DirectoryCopies>,
    live: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
}

impl CopiedDirectory {
    /// With `live` for what the copies do not know.
    pub fn new(copies: Arc<dyn DirectoryCopies>, live: Arc<dyn Directory>, clock: Arc<dyn Clock>) -> Self {
        Self { copies, live, clock }
    }
}

#[async_trait]
impl Directory for CopiedDirectory {
    fn ready(&self, asker: Asker<'_>) -> Result<(), DirectoryError> {
        self.live.ready(asker)
    }

    async fn resolve(&self, asker: Asker<'_>, names: &[String]) -> Result<Vec<Resolved>, DirectoryError> {
        let found = match self.copies.find_people(asker, names, self.clock.now()).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, app = asker.app, "the copy of the directory could not be read");
                vec![None; names.len()]
            }
        };
        let mut resolved: Vec<Resolved> = found
            .into_iter()
            .map(|found| found.map_or(Resolved::None, |person| Resolved::One(Box::new(person))))
            .collect();
        let open: Vec<usize> = (0..names.len()).filter(|n| resolved[*n] == Resolved::None).collect();
        if open.is_empty() {
            return Ok(resolved);
        }
        // Who came since the last round, and what is nobody's or several people's name.
        let unknown: Vec<String> = open.iter().map(|n| names[*n].clone()).collect();
        for (n, answer) in open.into_iter().zip(self.live.resolve(asker, &unknown).await?) {
            resolved[n] = answer;
        }
        Ok(resolved)
    }

    async fn page(
        &self,
        asker: Asker<'_>,
        source: &DirectorySource,
        cursor: Option<&str>,
    ) -> Result<DirectoryPage, DirectoryError> {
        self.live.page(asker, source, cursor).await
    }
}
