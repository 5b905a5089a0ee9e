//! Asking Microsoft Graph who has the app.

use nuncio_api::{Accepted, IDEMPOTENCY_KEY, List, NewSurvey, Survey};
use reqwest::Method;

use crate::operations::paged;
use crate::{Client, ClientError, MessageFilter, PageOf};

impl Client {
    /// Begins a survey. The idempotency key as for [`Client::send`].
    pub async fn begin_survey(
        &self,
        survey: &NewSurvey,
        idempotency_key: Option<&str>,
    ) -> Result<Accepted, ClientError> {
        let mut request = self.request(Method::POST, &["v1", "reachability", "surveys"]).json(survey);
        if let Some(key) = idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        self.json(request).await
    }

    /// Surveys, newest first.
    pub async fn surveys(
        &self,
        filter: &MessageFilter,
        page: PageOf<'_>,
    ) -> Result<List<Survey>, ClientError> {
        let request = self.request(Method::GET, &["v1", "reachability", "surveys"]);
        self.json(paged(request, &[("state", &filter.state), ("label", &filter.label)], page)).await
    }

    /// A survey and how far it is. What it is told goes by [`Client::control`].
    pub async fn survey(&self, id: &str) -> Result<Survey, ClientError> {
        self.json(self.request(Method::GET, &["v1", "reachability", "surveys", id])).await
    }
}
