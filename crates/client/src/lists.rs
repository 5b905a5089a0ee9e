//! Uploaded lists of people.

use nuncio_api::{IDEMPOTENCY_KEY, LIST_CSV, LIST_NDJSON, List, UploadedList};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::operations::{PageOf, PeopleFilter, paged};
use crate::transport::UPLOAD;
use crate::{Client, ClientError};

/// What a list is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// One column of people, with or without a header.
    Csv,
    /// A JSON string a line, or an object that has one.
    Ndjson,
}

impl ListFormat {
    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => LIST_CSV,
            Self::Ndjson => LIST_NDJSON,
        }
    }
}

/// What a list is uploaded with.
#[derive(Debug, Clone, Default)]
pub struct ListOf {
    /// Your own word for it.
    pub name: Option<String>,
    /// The app whose messages take it; needed only where there are several.
    pub app: Option<String>,
    /// The tenant whose people it names; needed only where the app is known in several.
    pub tenant: Option<String>,
    /// With it the request can be repeated for 24 hours, and makes one list.
    pub idempotency_key: Option<String>,
}

impl Client {
    /// Uploads a list. It is answered when it is stored, with its names still to be looked up.
    pub async fn upload_list(
        &self,
        list: Vec<u8>,
        format: ListFormat,
        of: &ListOf,
    ) -> Result<UploadedList, ClientError> {
        let mut request =
            self.patient(&["v1", "audiences"], UPLOAD).header(CONTENT_TYPE, format.content_type()).body(list);
        if let Some(key) = &of.idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let query = [("name", &of.name), ("app", &of.app), ("tenant", &of.tenant)];
        self.json_within(paged(request, &query, PageOf::default())).await
    }

    /// Uploaded lists, oldest first. Of the filter, app and tenant count.
    pub async fn lists(
        &self,
        filter: &PeopleFilter,
        page: PageOf<'_>,
    ) -> Result<List<UploadedList>, ClientError> {
        let request = self.request(Method::GET, &["v1", "audiences"]);
        let filters = [("app", &filter.app), ("tenant", &filter.tenant)];
        self.json(paged(request, &filters, page)).await
    }

    /// An uploaded list, with the names in it that are not exactly one person's.
    pub async fn list(&self, id: &str) -> Result<UploadedList, ClientError> {
        self.json(self.request(Method::GET, &["v1", "audiences", id])).await
    }

    /// Deletes a list with all who are in it.
    pub async fn delete_list(&self, id: &str) -> Result<(), ClientError> {
        self.empty(self.request(Method::DELETE, &["v1", "audiences", id])).await
    }
}
