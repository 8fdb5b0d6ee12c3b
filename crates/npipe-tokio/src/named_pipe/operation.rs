//! Operations of the engine's as futures: connecting, transactions, flushing.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use npipe::overlapped::engine::{self, Completion, Flush, OperationId, Order, Sink, Started, Wish};
use npipe::{ReadOutcome, Status};

use super::inner::Inner;
use super::ready::Readiness;
use super::tasks::{Tasks, locked};

/// Where the completion of one operation goes.
#[derive(Debug, Default)]
struct Mailbox {
    completion: Mutex<Option<Completion>>,
    waker: Mutex<Option<Waker>>,
}

impl Sink for Mailbox {
    fn complete(&self, completion: Completion) {
        *locked(&self.completion) = Some(completion);
    }

    fn notify(&self) {
        let waker = locked(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Mailbox {
    fn order(self: &Arc<Mailbox>) -> Order {
        Order {
            sink: self.clone(),
            signal: Arc::default(),
            issuer: None,
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Completion> {
        let before = locked(&self.waker).replace(cx.waker().clone());
        drop(before);
        match locked(&self.completion).take() {
            Some(completion) => Poll::Ready(completion),
            None => Poll::Pending,
        }
    }
}

/// A connect that waits. Dropping it leaves the instance listening.
#[derive(Debug)]
pub(crate) struct Connecting {
    inner: Arc<Inner>,
    mailbox: Arc<Mailbox>,
    pending: Option<OperationId>,
}

impl Connecting {
    /// Begins to wait for a client; `None`: one is there.
    pub(crate) fn begin(inner: &Arc<Inner>) -> io::Result<Option<Connecting>> {
        let Some(server) = inner.server() else {
            return Err(inner.error(Status::InvalidParameter, "connect"));
        };
        let mailbox = Arc::<Mailbox>::default();
        match engine::connect(server, mailbox.order()) {
            Ok(Started::Pending(id)) => Ok(Some(Connecting {
                inner: inner.clone(),
                mailbox,
                pending: Some(id),
            })),
            Ok(Started::Complete(_)) => Ok(None),
            // semantics 62: for tokio's programs that is success.
            Err(refused) if refused.status == Status::PipeConnected => Ok(None),
            Err(refused) => Err(inner.error(refused.status, "connect")),
        }
    }

    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let completion = ready!(self.mailbox.poll(cx));
        self.pending = None;
        let result = completion.result.map(drop);
        Poll::Ready(result.map_err(|status| self.inner.error(status, "connect")))
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if let Some(id) = self.pending {
            // Not found: the client has come.
            let _ = engine::cancel(&self.inner.end, id);
        }
    }
}

/// A transaction whose reply is waited for. Dropping it gives the reply up.
struct Transaction<'a> {
    inner: &'a Inner,
    mailbox: Arc<Mailbox>,
    pending: Option<OperationId>,
    tasks: &'a Tasks,
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.pending {
            // Not found: the reply has come.
            let _ = engine::cancel(&self.inner.end, id);
            // Reads that had to wait for it have their turn.
            self.tasks.wake_all();
        }
        self.tasks.end(true);
    }
}

impl Inner {
    pub(crate) async fn connect(self: &Arc<Inner>) -> io::Result<()> {
        match Connecting::begin(self)? {
            Some(mut connecting) => poll_fn(|cx| connecting.poll(cx)).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn transact(&self, request: &[u8], reply: &mut [u8]) -> io::Result<ReadOutcome> {
        self.listen();
        self.tasks.begin(true);
        let mut transaction = Transaction {
            inner: self,
            mailbox: Arc::default(),
            pending: None,
            tasks: &self.tasks,
        };
        let fail = |status| self.error(status, "transact");
        let (request, memory) = (request.to_vec().into(), vec![0; reply.len()].into());
        let order = transaction.mailbox.order();
        let completion = match engine::transact(&self.end, request, memory, order) {
            Ok(Started::Complete(completion)) => completion,
            Ok(Started::Pending(id)) => {
                transaction.pending = Some(id);
                let completion = poll_fn(|cx| transaction.mailbox.poll(cx)).await;
                transaction.pending = None;
                completion
            }
            Err(refused) => return Err(fail(refused.status)),
        };
        // Reads that had to wait for it have their turn.
        self.tasks.wake_all();
        let outcome = completion.result.map_err(fail)?;
        let (taken, memory) = (outcome.bytes, completion.buffer.into_vec());
        reply[..taken].copy_from_slice(&memory[..taken]);
        Ok(outcome)
    }

    pub(crate) async fn flush_until_read(self: &Arc<Inner>) -> io::Result<()> {
        let fail = |status| self.error(status, "flush");
        // What is on its way is to be read too.
        poll_fn(|cx| self.poll_landed(cx)).await;
        self.flight.check().map_err(fail)?;
        let Some(flush) = Flush::begin(&self.end).map_err(fail)? else {
            return Ok(());
        };
        let mut readiness = Readiness::new(self);
        let read = poll_fn(|cx| {
            readiness.poll_until(cx, Wish::Room, || match flush.poll() {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            })
        });
        read.await.map_err(fail)
    }

    fn poll_landed(self: &Arc<Inner>, cx: &Context<'_>) -> Poll<()> {
        if self.is_writable() {
            return Poll::Ready(());
        }
        self.rest(cx, super::tasks::Slot::Write, Wish::Room, || {
            engine::pump(&self.end);
            self.is_writable()
        })
    }
}
