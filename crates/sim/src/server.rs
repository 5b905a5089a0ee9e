//! The listening socket. Connections are served by hand, so that a fault can close one in the middle of an answer.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{connector, control, entra, exchange::Cutter, openid, socket::Socket, world::Shared};

pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(control::about))
        .route("/{tenant}/oauth2/v2.0/token", post(entra::token))
        .route("/metadata/identity/oauth2/token", get(entra::managed_identity::imds))
        .route("/msi/token", get(entra::managed_identity::app_service))
        .route("/v1/.well-known/openidconfiguration", get(openid::metadata))
        .route("/v1/.well-known/keys", get(openid::keys))
        .merge(control::router(shared))
        .fallback(connector::serve)
        .with_state(Arc::clone(shared))
}

pub(crate) async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: give connections time to end.
                    tracing::warn!(%error, "could not accept a connection");
                    crate::clock::pause(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stop.cancelled() => return,
        };
        let cutter = Cutter::new(stop.child_token());
        let socket = Socket::new(stream, cutter.clone());
        tokio::spawn(connection(socket, router.clone(), cutter));
    }
}

async fn connection(stream: Socket, router: Router, cutter: Cutter) {
    let cut = cutter.cut.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(cutter.clone());
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
