//! The body of a request that is too large.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use salvo::BoxedError;
use salvo::http::ReqBody;
use salvo::hyper::body::{Body, Bytes, Frame, SizeHint};

/// A body that is too large is read on, this many times the limit, and thrown away: a client that
/// still sends when the connection closes never reads why.
const PATIENCE: usize = 4;

/// A body of which no more than about `limit` bytes are kept. One that is larger is read to its end
/// before it says so.
pub(super) struct Lingering {
    body: ReqBody,
    limit: usize,
    seen: usize,
    /// The frame that was too much, told of at the end.
    surplus: Option<Frame<Bytes>>,
}

impl Lingering {
    /// The body of a request that may have `limit` bytes.
    pub(super) fn new(body: ReqBody, limit: usize) -> Self {
        Self { body, limit, seen: 0, surplus: None }
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = BoxedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxedError>>> {
        loop {
            let has_patience = self.seen <= self.limit.saturating_mul(PATIENCE);
            let frame = if has_patience {
                ready!(Pin::new(&mut self.body).poll_frame(context))
            } else {
                None
            };
            let Some(Ok(frame)) = frame else {
                // Whoever broke off needs no answer; else the surplus is what is wrong.
                let ended = frame.map(|frame| frame.map_err(Into::into));
                return Poll::Ready(self.surplus.take().map(Ok).or(ended));
            };
            self.seen += frame.data_ref().map_or(0, Bytes::len);
            if self.seen <= self.limit {
                return Poll::Ready(Some(Ok(frame)));
            }
            self.surplus.get_or_insert(frame);
        }
    }

    fn is_end_stream(&self) -> bool {
        self.surplus.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
