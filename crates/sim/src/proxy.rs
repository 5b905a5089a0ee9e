//! The plain port as a proxy for Microsoft's host names: a bot that is told of it (`HTTPS_PROXY`) uses Microsoft's own
//! addresses, unchanged, and reaches the simulator. No other host can be reached by it.

use std::{net::SocketAddr, pin::Pin};

use axum::{Router, body::Body};
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsAcceptor;

use crate::{
    exchange::Cutter,
    server::{Scheme, secure},
    tls::HOSTS,
};

/// What the plain port needs to stand for Microsoft's hosts.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) acceptor: TlsAcceptor,
    /// The plain port's own address, which clients also name in full.
    pub(crate) own: SocketAddr,
}

pub(crate) enum Way {
    /// An ordinary request, or one for Microsoft that a client named in full.
    Serve(Scheme),
    Tunnel,
    Refuse,
}

impl Proxy {
    /// What a request on the plain port is.
    pub(crate) fn way<B>(&self, request: &Request<B>) -> Way {
        let uri = request.uri();
        let Some(host) = uri.host() else { return Way::Serve(Scheme("http")) };
        let near = self.own.port() == uri.port_u16().unwrap_or(80);
        let microsoft = known(host);
        match (request.method() == Method::CONNECT, uri.scheme_str()) {
            (true, _) if microsoft => Way::Tunnel,
            // axios speaks so to a proxy, for https too.
            (false, Some("https")) if microsoft => Way::Serve(Scheme("https")),
            (false, Some("http")) if microsoft || near => Way::Serve(Scheme("http")),
            _ => Way::Refuse,
        }
    }
}

fn known(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    HOSTS.iter().any(|known| known.eq_ignore_ascii_case(bare))
}

pub(crate) fn refusal(request: &Request<Incoming>) -> Response<Body> {
    let host = request.uri().host().unwrap_or_default();
    let text = format!(
        "{host} is not a host that this simulator stands for, and it passes nothing on; put it into NO_PROXY\n"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Answers a CONNECT; what comes through afterwards is served as on the TLS port.
pub(crate) fn tunnel(
    proxy: Proxy,
    request: Request<Incoming>,
    router: Router,
    cutter: Cutter,
) -> Response<Body> {
    // Boxed, since a connection can contain a tunnel that contains a connection.
    let inside: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
        match hyper::upgrade::on(request).await {
            Ok(upgraded) => secure(TokioIo::new(upgraded), proxy.acceptor, router, cutter).await,
            Err(error) => tracing::debug!(%error, "a tunnel was not used"),
        }
    });
    tokio::spawn(inside);
    Response::new(Body::empty())
}
