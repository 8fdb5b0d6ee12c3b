//! Waiting until an end is ready, by any number of tasks at once.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use npipe::overlapped::engine::{self, Wish};
use tokio::io::{Interest, Ready};
use tokio::task::coop;

use super::inner::Inner;
use super::tasks::Slot;

/// A future's place among the tasks that wait on an end.
pub(crate) struct Readiness<'a> {
    inner: &'a Arc<Inner>,
    number: Option<u64>,
}

impl Drop for Readiness<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.inner.tasks.forget_other(number);
        }
    }
}

impl<'a> Readiness<'a> {
    pub(crate) fn new(inner: &'a Arc<Inner>) -> Readiness<'a> {
        Readiness { inner, number: None }
    }

    /// Polls until `look` has a value.
    pub(crate) fn poll_until<T>(
        &mut self,
        cx: &mut Context<'_>,
        wish: Wish,
        mut look: impl FnMut() -> Option<T>,
    ) -> Poll<T> {
        let coop = ready!(coop::poll_proceed(cx));
        let mut found = look();
        if found.is_none() {
            self.inner.tasks.keep_other(&mut self.number, cx.waker());
            self.inner.expect(wish);
            found = look();
        }
        match found {
            Some(value) => {
                coop.made_progress();
                Poll::Ready(value)
            }
            None => Poll::Pending,
        }
    }
}

fn wish_of(interest: Interest) -> Wish {
    match (interest.is_readable(), interest.is_writable()) {
        (true, true) => Wish::Both,
        (false, true) => Wish::Room,
        _ => Wish::Data,
    }
}

impl Inner {
    /// What of `interest` would succeed now, or fail without waiting.
    fn readiness(&self, interest: Interest) -> Option<Ready> {
        let mut ready = Ready::EMPTY;
        if interest.is_readable() && engine::is_readable(&self.end) {
            ready |= Ready::READABLE;
        }
        if interest.is_writable() {
            if !self.is_writable() {
                engine::pump(&self.end);
            }
            if self.is_writable() {
                ready |= Ready::WRITABLE;
            }
        }
        (!ready.is_empty()).then_some(ready)
    }

    pub(crate) async fn ready(self: &Arc<Inner>, interest: Interest) -> Ready {
        let mut readiness = Readiness::new(self);
        poll_fn(|cx| readiness.poll_until(cx, wish_of(interest), || self.readiness(interest))).await
    }

    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest, slot: Slot) -> Poll<()> {
        let coop = ready!(coop::poll_proceed(cx));
        if self.readiness(interest).is_none() {
            ready!(self.rest(cx, slot, wish_of(interest), || self.readiness(interest).is_some()));
        }
        coop.made_progress();
        Poll::Ready(())
    }

    pub(crate) fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match self.readiness(interest) {
            Some(_) => call(),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(crate) async fn async_io<R>(
        self: &Arc<Inner>,
        interest: Interest,
        mut call: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            self.ready(interest).await;
            let wakes = self.tasks.wakes();
            match call() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            // What the call waits for is not what makes the end ready: it is called again when something has happened.
            let mut readiness = Readiness::new(self);
            let stirred = || (self.tasks.wakes() != wakes).then_some(());
            poll_fn(|cx| readiness.poll_until(cx, wish_of(interest), stirred)).await;
        }
    }
}
