//! The one HTTP client: no redirects, no hidden retries, time-outs, answers read to a limit.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use nuncio_api::Problem;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::ClientError;

const CONNECT: Duration = Duration::from_secs(5);
/// For a whole call, of most.
const WHOLE: Duration = Duration::from_secs(30);
/// For uploading a list, which may have 64 MiB and is answered when it is stored.
pub(crate) const UPLOAD: Duration = Duration::from_mins(10);
/// For one that asks the directory meanwhile; a report only has to go on coming.
pub(crate) const SLOW: Duration = Duration::from_mins(1);
/// More than the largest page.
const LARGEST: usize = 32 * 1024 * 1024;

/// A Nuncio server and a key to it. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// The same for what takes its time: the other expects an answer, or some of it, within [`WHOLE`].
    patient: reqwest::Client,
    base: Url,
    /// `Bearer nnc_…`, marked sensitive so that it is not in debug output.
    authorization: HeaderValue,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the server at `base_url` (`http://127.0.0.1:3978`, perhaps with a path in front of `/v1`).
    pub fn new(base_url: &str, secret: &str) -> Result<Self, ClientError> {
        let setup = |text: String| ClientError::Setup(text);
        let mut base =
            Url::parse(base_url).map_err(|error| setup(format!("{base_url} is not a URL: {error}")))?;
        if !matches!(base.scheme(), "http" | "https")
            || !base.username().is_empty()
            || base.password().is_some()
        {
            return Err(setup(
                "the server's address must be http:// or https:// without a user name".to_owned(),
            ));
        }
        base.set_query(None);
        base.set_fragment(None);
        // So that paths are appended and not replaced.
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", secret.trim()))
            .map_err(|_| setup("the API key has characters that no key has".to_owned()))?;
        authorization.set_sensitive(true);

        let http = |patience| {
            let mut builder = reqwest::Client::builder()
                .user_agent(concat!("nuncio/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT)
                .read_timeout(patience);
            if is_loopback(&base) {
                // A proxy could not reach this computer's own server.
                builder = builder.no_proxy();
            }
            builder.build().map_err(|error| setup(format!("no HTTP client: {}", chain(&error))))
        };
        let (http, patient) = (http(WHOLE)?, http(UPLOAD)?);
        Ok(Self { http, patient, base, authorization })
    }

    /// The server's address.
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }

    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        self.request_by(&self.http, method, segments)
    }

    /// A request that takes its time.
    pub(crate) fn patient(&self, segments: &[&str], time: Duration) -> RequestBuilder {
        self.request_by(&self.patient, Method::POST, segments).timeout(time)
    }

    fn request_by(&self, http: &reqwest::Client, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("http URLs have a path").pop_if_empty().extend(segments);
        http.request(method, url)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json, application/problem+json")
    }

    /// Makes a call and reads its JSON answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        self.json_within(request.timeout(WHOLE)).await
    }

    /// The same, with a time of the request's own.
    pub(crate) async fn json_within<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ClientError> {
        let (status, body) = self.bytes(request).await?;
        serde_json::from_slice(&body).map_err(|error| ClientError::Unexpected {
            status: status.as_u16(),
            detail: format!("the answer has not the form that this version knows: {error}"),
        })
    }

    /// Makes a call whose answer has nothing in it, or nothing that matters.
    pub(crate) async fn empty(&self, request: RequestBuilder) -> Result<(), ClientError> {
        self.bytes(request.timeout(WHOLE)).await.map(|_| ())
    }

    async fn bytes(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let response = self.open(request).await?;
        let status = response.status();
        Ok((status, self.body(response).await?))
    }

    /// Makes a call and gives the answer to be read on, if it is a success.
    pub(crate) async fn open(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let is_problem = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/problem+json"));
        let body = self.body(response).await?;
        if is_problem && let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
            return Err(ClientError::Problem(Box::new(problem)));
        }
        Err(ClientError::Unexpected {
            status: status.as_u16(),
            detail: format!("{} bytes that are no problem document", body.len()),
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > LARGEST {
                return Err(ClientError::Unexpected {
                    status,
                    detail: format!("the answer is longer than {LARGEST} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let hint = if error.is_timeout() {
            "The server did not answer in time: look at its log and at /readyz."
        } else if error.is_connect() {
            "Is the server running (`nuncio serve`), and is this its address?"
        } else {
            "The connection was cut; the same request may be sent again."
        };
        ClientError::Unreachable { url: self.base.to_string(), cause: chain(error), hint }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The last cause says it best ("Connection refused"); reqwest's own text repeats the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut text = None;
    let mut next = error.source();
    while let Some(source) = next {
        text = Some(source.to_string());
        next = source.source();
    }
    text.unwrap_or_else(|| if error.is_timeout() { "timed out".to_owned() } else { "failed".to_owned() })
}
