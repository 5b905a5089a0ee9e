//! The listening sockets. Connections are served by hand, so that a fault can close one in the middle of an answer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::FromRequestParts,
    routing::{any, get, post},
};
use http::{Request, Response, Uri, header, request::Parts};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    connector, control, entra,
    exchange::Cutter,
    graph, openid, page,
    proxy::{self, Proxy, Way},
    socket::Socket,
    world::Shared,
};

/// A client that connects and then says nothing is let go after this.
const HANDSHAKE: Duration = Duration::from_secs(10);

pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(control::about))
        .route("/common/discovery/instance", get(entra::discovery::instance))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(entra::discovery::metadata))
        .route("/{tenant}/.well-known/openid-configuration", get(entra::discovery::metadata_v1))
        .route("/{tenant}/discovery/v2.0/keys", get(entra::discovery::keys))
        .route("/{tenant}/discovery/keys", get(entra::discovery::keys))
        .route("/{tenant}/oauth2/v2.0/token", post(entra::token))
        .route("/{tenant}/oauth2/token", post(entra::token_v1))
        .route("/metadata/identity/oauth2/token", get(entra::managed_identity::imds))
        // As MSAL for Node.js asks another host than IMDS itself.
        .route("/metadata/identity/oauth2/token/", get(entra::managed_identity::imds))
        .route("/msi/token", get(entra::managed_identity::app_service))
        .route("/v1/.well-known/openidconfiguration", get(openid::metadata))
        .route("/v1/.well-known/keys", get(openid::keys))
        .route("/v1.0", any(graph::serve))
        .route("/v1.0/{*rest}", any(graph::serve))
        .merge(page::router())
        .merge(control::router(shared))
        .fallback(connector::serve)
        .with_state(Arc::clone(shared))
}

/// `https://login.microsoftonline.com`, `http://127.0.0.1:4100` …: scheme and host as this request has them. Links in
/// answers begin with it, so that whoever came by one port and name stays there.
#[derive(Clone)]
pub(crate) struct Asked(pub(crate) String);

impl Asked {
    /// `login.microsoftonline.com`, `127.0.0.1:4100`
    pub(crate) fn host(&self) -> &str {
        self.0.split_once("://").map_or(self.0.as_str(), |(_, host)| host)
    }
}

/// Whether a request came with TLS.
#[derive(Clone, Copy)]
pub(crate) struct Scheme(pub(crate) &'static str);

impl FromRequestParts<Arc<Shared>> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Infallible> {
        let scheme = parts.extensions.get::<Scheme>().map_or("http", |scheme| scheme.0);
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // What is no host is not repeated into a link.
        let host = host.filter(|host| Uri::try_from(*host).is_ok_and(|uri| uri.authority().is_some()));
        Ok(Self(match (host, &shared.tls) {
            (Some(host), _) => format!("{scheme}://{host}"),
            (None, Some(tls)) if scheme == "https" => tls.base.clone(),
            (None, _) => shared.base.clone(),
        }))
    }
}

/// What a port does with a connection.
#[derive(Clone)]
pub(crate) enum Port {
    Plain(Option<Proxy>),
    Tls(TlsAcceptor),
}

pub(crate) async fn accept(listener: TcpListener, port: Port, router: Router, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: give connections time to end.
                    tracing::warn!(%error, "could not accept a connection");
                    crate::clock::rest(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stop.cancelled() => return,
        };
        let cutter = Cutter::new(stop.child_token());
        let socket = Socket::new(stream, cutter.clone());
        match port.clone() {
            Port::Plain(proxy) => drop(tokio::spawn(connection(socket, proxy, router.clone(), cutter))),
            Port::Tls(acceptor) => drop(tokio::spawn(secure(socket, acceptor, router.clone(), cutter))),
        }
    }
}

pub(crate) async fn secure<S>(stream: S, acceptor: TlsAcceptor, router: Router, cutter: Cutter)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)) => shaken,
        () = cutter.cut.cancelled() => return,
    };
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        // Mostly a client that was not told of the authority.
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    cutter.mute();
    let (cut, tagged) = (cutter.cut.clone(), cutter);
    let service = service_fn(move |request| serve(request, Scheme("https"), router.clone(), tagged.clone()));
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = serving => told(ended),
        // Dropping the connection closes its socket.
        () = cut.cancelled() => {}
    }
}

async fn connection(stream: Socket, proxy: Option<Proxy>, router: Router, cutter: Cutter) {
    let (cut, tagged) = (cutter.cut.clone(), cutter);
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, cutter, proxy) = (router.clone(), tagged.clone(), proxy.clone());
        async move {
            let way = proxy.as_ref().map_or(Way::Serve(Scheme("http")), |proxy| proxy.way(&request));
            match (way, proxy) {
                (Way::Serve(scheme), _) => serve(request, scheme, router, cutter).await,
                (Way::Tunnel, Some(proxy)) => Ok(proxy::tunnel(proxy, request, router, cutter)),
                _ => Ok(proxy::refusal(&request)),
            }
        }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        ended = serving => told(ended),
        () = cut.cancelled() => {}
    }
}

async fn serve(
    mut request: Request<Incoming>,
    scheme: Scheme,
    router: Router,
    cutter: Cutter,
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(cutter);
    request.extensions_mut().insert(scheme);
    router.oneshot(request.map(Body::new)).await
}

fn told(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
