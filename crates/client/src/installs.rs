//! Having the app installed.

use nuncio_api::{Accepted, Delivery, IDEMPOTENCY_KEY, Install, InstallPreview, List, NewInstall};
use reqwest::Method;

use crate::operations::paged;
use crate::transport::SLOW;
use crate::{Client, ClientError, DeliveryFilter, MessageFilter, PageOf};

impl Client {
    /// Has the app installed. The idempotency key as for [`Client::send`].
    pub async fn install(
        &self,
        install: &NewInstall,
        idempotency_key: Option<&str>,
    ) -> Result<Accepted, ClientError> {
        let mut request = self.request(Method::POST, &["v1", "installs"]).json(install);
        if let Some(key) = idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        self.json(request).await
    }

    /// What an install run would come to. Nothing is stored or installed.
    pub async fn preview_install(&self, install: &NewInstall) -> Result<InstallPreview, ClientError> {
        let request = self.patient(&["v1", "installs", "preview"], SLOW);
        self.json_within(request.json(install)).await
    }

    /// Install runs, newest first.
    pub async fn installs(
        &self,
        filter: &MessageFilter,
        page: PageOf<'_>,
    ) -> Result<List<Install>, ClientError> {
        let request = self.request(Method::GET, &["v1", "installs"]);
        self.json(paged(request, &[("state", &filter.state), ("label", &filter.label)], page)).await
    }

    /// An install run and what became of it so far. What it is told goes by [`Client::control`].
    pub async fn install_run(&self, id: &str) -> Result<Install, ClientError> {
        self.json(self.request(Method::GET, &["v1", "installs", id])).await
    }

    /// Whom an install run is for and what became of each; up to 1,000 a page.
    pub async fn install_recipients(
        &self,
        id: &str,
        filter: &DeliveryFilter,
        page: PageOf<'_>,
    ) -> Result<List<Delivery>, ClientError> {
        let request = self.request(Method::GET, &["v1", "installs", id, "recipients"]);
        self.json(paged(request, &[("state", &filter.state), ("reason", &filter.reason)], page)).await
    }
}
