//! Building the client, replacing it in time, and one call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::HeaderValue;
use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use bytes::BytesMut;
use reqwest::{Certificate, NoProxy, Proxy};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::body::WatchedBody;
use super::{
    ANSWER_LIMIT, Answer, CALL_TIMEOUT, CONNECT_TIMEOUT, CallFailure, ContentType, REPLACE_AFTER, Request,
};
use crate::text;

/// Addresses of this computer are never reached through a proxy.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1";

/// How to build an [`HttpClient`].
#[derive(Clone)]
pub struct HttpClientBuilder {
    connect_timeout: Duration,
    call_timeout: Duration,
    replace_after: Duration,
    extra_ca: Vec<Certificate>,
    proxy: Option<SecretString>,
    no_proxy: String,
}

/// Why a client could not be built. The text never names the proxy: its URL may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The extra certificates are not PEM.
    #[error("the extra CA file holds no certificate that can be read")]
    ExtraCa,
    /// The proxy's URL cannot be used.
    #[error("HTTPS_PROXY is not a usable proxy URL")]
    Proxy,
    /// Anything else.
    #[error("the HTTP client cannot be built: {0}")]
    Build(String),
}

impl HttpClientBuilder {
    /// Time-outs for connecting (DNS and TLS included) and for the whole call.
    #[must_use]
    pub fn timeouts(mut self, connect: Duration, call: Duration) -> Self {
        (self.connect_timeout, self.call_timeout) = (connect, call);
        self
    }

    /// How long pooled connections are used.
    #[must_use]
    pub fn replace_after(mut self, after: Duration) -> Self {
        self.replace_after = after;
        self
    }

    /// Certificates (PEM, any number) that are trusted beside the system's: what an extra CA file holds.
    pub fn extra_ca(mut self, pem: &[u8]) -> Result<Self, HttpClientError> {
        let certificates = Certificate::from_pem_bundle(pem).map_err(|_| HttpClientError::ExtraCa)?;
        if certificates.is_empty() {
            return Err(HttpClientError::ExtraCa);
        }
        self.extra_ca.extend(certificates);
        Ok(self)
    }

    /// The proxy for https, instead of `HTTPS_PROXY`; `None` for no proxy at all.
    #[must_use]
    pub fn proxy(mut self, url: Option<SecretString>) -> Self {
        self.proxy = url;
        self
    }

    /// The client.
    pub fn build(self) -> Result<HttpClient, HttpClientError> {
        let client = self.reqwest()?;
        Ok(HttpClient(Arc::new(Shared {
            current: Mutex::new(Current { client, since: Instant::now() }),
            builder: self,
        })))
    }

    fn reqwest(&self) -> Result<reqwest::Client, HttpClientError> {
        let mut builder = self.plain()?;
        if !self.extra_ca.is_empty() {
            builder = builder.tls_certs_merge(self.extra_ca.iter().cloned());
        }
        match builder.build() {
            Ok(client) => Ok(client),
            // A computer without any system certificates (a bare container) still talks to the simulator and to what
            // the extra CA signed; everything else fails at its TLS handshake.
            Err(_) => self
                .plain()?
                .tls_certs_only(self.extra_ca.iter().cloned())
                .build()
                .map_err(|error| HttpClientError::Build(text::chain(&error.without_url()))),
        }
    }

    fn plain(&self) -> Result<reqwest::ClientBuilder, HttpClientError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("nuncio/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .timeout(self.call_timeout)
            // What the environment says was read by `HttpClient::builder`, once.
            .no_proxy();
        if let Some(url) = &self.proxy {
            let proxy = Proxy::https(url.expose_secret()).map_err(|_| HttpClientError::Proxy)?;
            let except = [NEVER_PROXIED, &self.no_proxy].join(",");
            builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(&except)));
        }
        Ok(builder)
    }
}

/// The HTTP client. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    builder: HttpClientBuilder,
    current: Mutex<Current>,
}

struct Current {
    client: reqwest::Client,
    since: Instant,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpClient")
    }
}

impl HttpClient {
    /// A client with our time-outs, and with `HTTPS_PROXY` and `NO_PROXY` as the environment says now.
    pub fn builder() -> HttpClientBuilder {
        let env = |names: [&str; 2]| {
            names.into_iter().find_map(|name| std::env::var(name).ok()).filter(|value| !value.is_empty())
        };
        HttpClientBuilder {
            connect_timeout: CONNECT_TIMEOUT,
            call_timeout: CALL_TIMEOUT,
            replace_after: REPLACE_AFTER,
            extra_ca: Vec::new(),
            proxy: env(["HTTPS_PROXY", "https_proxy"]).map(SecretString::from),
            no_proxy: env(["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        }
    }

    /// One call, made once. `authorization` is sent as it is and shown nowhere.
    pub async fn send(
        &self,
        request: &Request,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, CallFailure> {
        let (watched, taken) =
            WatchedBody::new(request.body.as_ref().map(|(_, bytes)| bytes.clone()).unwrap_or_default());
        let mut outgoing = self
            .current()
            .request(request.method.clone(), &request.url)
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in &request.headers {
            outgoing = outgoing.header(name, value);
        }
        if let Some((content_type, _)) = &request.body {
            let value = match content_type {
                ContentType::Json => "application/json; charset=utf-8",
                ContentType::Form => "application/x-www-form-urlencoded",
            };
            outgoing = outgoing
                .header(CONTENT_TYPE, HeaderValue::from_static(value))
                .body(reqwest::Body::wrap(watched));
        }
        if let Some(mut value) = authorization {
            value.set_sensitive(true);
            outgoing = outgoing.header(AUTHORIZATION, value);
        }
        match outgoing.send().await {
            Ok(response) => Ok(read(response).await),
            Err(error) => {
                let never = error.is_builder() || error.is_connect() || !taken.get();
                let cause = text::chain(&error.without_url());
                Err(if never { CallFailure::NotSent { cause } } else { CallFailure::MaybeSent { cause } })
            }
        }
    }

    /// The current client; a new one when it is old. Calls that run keep the one that they started with.
    fn current(&self) -> reqwest::Client {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.since.elapsed() >= self.0.builder.replace_after {
            match self.0.builder.reqwest() {
                Ok(client) => current.client = client,
                Err(error) => tracing::warn!(%error, "keeping the old HTTP client"),
            }
            current.since = Instant::now();
        }
        current.client.clone()
    }
}

/// The status is what counts: a body that cannot be read to its end does not undo it.
async fn read(mut response: reqwest::Response) -> Answer {
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body = BytesMut::new();
    let cut = loop {
        match response.chunk().await {
            Ok(None) => break None,
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_LIMIT => {
                let room = ANSWER_LIMIT - body.len();
                body.extend_from_slice(&chunk[..room]);
                break Some(format!("the answer is longer than {ANSWER_LIMIT} bytes"));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => break Some(text::chain(&error.without_url())),
        }
    };
    Answer { status, headers, body: body.freeze(), cut }
}
