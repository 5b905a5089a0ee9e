//! The listening sockets. Connections are served by hand, so that a fault can close one in the middle of an answer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::FromRequestParts,
    routing::{get, post},
};
use http::{Request, Uri, header, request::Parts};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{connector, control, entra, exchange::Cutter, openid, socket::Socket, world::Shared};

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
        .route("/metadata/identity/oauth2/token", get(entra::managed_identity::imds))
        .route("/msi/token", get(entra::managed_identity::app_service))
        .route("/v1/.well-known/openidconfiguration", get(openid::metadata))
        .route("/v1/.well-known/keys", get(openid::keys))
        .merge(control::router(shared))
        .fallback(connector::serve)
        .with_state(Arc::clone(shared))
}

/// `https://login.microsoftonline.com`, `http://127.0.0.1:4100` …: scheme and host as this request has them. Links in
/// answers begin with it, so that whoever came by one port and name stays there.
#[derive(Clone)]
pub(crate) struct Asked(pub(crate) String);

/// By which port a request came.
#[derive(Clone, Copy)]
struct Scheme(&'static str);

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

pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: give connections time to end.
                    tracing::warn!(%error, "could not accept a connection");
                    crate::clock::pause(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stop.cancelled() => return,
        };
        let cutter = Cutter::new(stop.child_token());
        let socket = Socket::new(stream, cutter.clone());
        match tls.clone() {
            None => drop(tokio::spawn(connection(socket, Scheme("http"), router.clone(), cutter))),
            Some(acceptor) => drop(tokio::spawn(secure(socket, acceptor, router.clone(), cutter))),
        }
    }
}

async fn secure(socket: Socket, acceptor: TlsAcceptor, router: Router, cutter: Cutter) {
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(socket)) => shaken,
        () = cutter.cut.cancelled() => return,
    };
    match shaken {
        Ok(Ok(stream)) => connection(stream, Scheme("https"), router, cutter).await,
        // Mostly a client that was not told of the authority.
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn connection<S>(stream: S, scheme: Scheme, router: Router, cutter: Cutter)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let cut = cutter.cut.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(cutter.clone());
        request.extensions_mut().insert(scheme);
        let router = router.clone();
        async move {
            let response = router.oneshot(request.map(Body::new)).await;
            response.map_err(|never: Infallible| never)
        }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = serving => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        }
        // Dropping the connection closes its socket.
        () = cut.cancelled() => {}
    }
}
