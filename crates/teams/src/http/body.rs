//! A request body that remembers whether it was taken.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Whether the HTTP stack has taken the whole body. From then on the request may be on the wire.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Arc<AtomicBool>);

impl Taken {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The body in one piece: a server that has a part of it only cannot act on it, and the stack asks for it only when it
/// is about to write it.
pub(super) struct WatchedBody {
    bytes: Option<Bytes>,
    taken: Taken,
}

impl WatchedBody {
    pub(super) fn new(bytes: Bytes) -> (Self, Taken) {
        let taken = Taken::default();
        // A body of no bytes is never asked for; then the headers alone are the request.
        taken.0.store(bytes.is_empty(), Ordering::Release);
        (Self { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()), taken: taken.clone() }, taken)
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        self.taken.0.store(true, Ordering::Release);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
