//! A connection over TCP or TLS: one task that reads, cuts, parses and writes.
//!
//! | state | event | do |
//! | --- | --- | --- |
//! | reading | bytes | cut; each message goes to the engine's task, each ping is answered (RFC 5626 §3.5.1) |
//! | reading | the engine's queue is full | stop reading until it has room; go on writing |
//! | reading | the stream is not SIP, a message is too long | close |
//! | any | the engine sends | write, several messages at once where they wait |
//! | any | nothing is taken for the message time, nothing comes for the idle time | close |
//! | any | the client certificate expires or is revoked | close |
//! | any | the engine or the daemon asks | send what waits, close |
//! | any | the engine finds it silent | reset: nothing that waits, here or in the system, is sent |
//!
//! An idle connection holds no buffer: bytes are received on the stack.

use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::{client, server};

use super::close::CloseReason;
use super::identity::Standing;
use super::{Arrival, Inlet, Limits, stopped};
use crate::engine::flow::{Flow, FlowFailure};
use crate::shell::clock;
use crate::sip::framing::{Frame, Framer, Side};
use crate::sip::parse::parse;

/// Bytes received at once.
const READ: usize = 8 * 1024;
/// Messages are written together up to about this many bytes.
const WRITE: usize = 16 * 1024;
/// For sending what waits and saying goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// A certificate's end is looked at this often at least: the wall clock may be set meanwhile.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(60);
/// The answer to a ping.
const PONG: &[u8] = b"\r\n";

/// A connection's socket.
pub(in crate::shell) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// From now on its end is a reset: what the system has not sent yet, or sends again, is thrown away.
    fn will_reset(&self);
}

impl Socket for TcpStream {
    fn will_reset(&self) {
        if let Err(error) = SockRef::from(self).set_linger(Some(Duration::ZERO)) {
            tracing::trace!(%error, "a connection is closed without a reset");
        }
    }
}

impl Socket for client::TlsStream<TcpStream> {
    fn will_reset(&self) {
        self.get_ref().0.will_reset();
    }
}

impl Socket for server::TlsStream<TcpStream> {
    fn will_reset(&self) {
        self.get_ref().0.will_reset();
    }
}

/// What a connection starts from.
pub(super) struct Setup {
    pub(super) flow: Flow,
    pub(super) inlet: Inlet,
    pub(super) limits: Limits,
    pub(super) outgoing: mpsc::Receiver<Bytes>,
    pub(super) close: oneshot::Receiver<FlowFailure>,
    pub(super) standing: Option<Standing>,
    pub(super) stop: watch::Receiver<bool>,
    /// Whether we connected: then pings are ours to send, and their answers are heard.
    pub(super) dialled: bool,
}

/// Serves the connection until it is over.
pub(super) async fn run<S: Socket>(socket: S, setup: Setup) -> CloseReason {
    let Setup { flow, inlet, limits, outgoing, close, standing, stop, dialled } = setup;
    let side = if dialled { Side::Dialled } else { Side::Accepted };
    let mut wire = Wire::new(socket, side, outgoing);
    let around = Around { flow, inlet, limits, close, standing, stop };
    let reason = converse(&mut wire, around).await;
    if reason == CloseReason::Engine(FlowFailure::Silent) {
        wire.socket.will_reset();
        return reason;
    }
    let sends_the_rest = matches!(reason, CloseReason::Engine(_) | CloseReason::Stop);
    drop(timeout(GOODBYE, wire.say_goodbye(sends_the_rest)).await);
    reason
}

/// What a connection is told from outside, and whom it tells.
struct Around {
    flow: Flow,
    inlet: Inlet,
    limits: Limits,
    close: oneshot::Receiver<FlowFailure>,
    standing: Option<Standing>,
    stop: watch::Receiver<bool>,
}

/// Reads and writes until there is a reason to end.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>, around: Around) -> CloseReason {
    let Around { flow, inlet, limits, mut close, mut standing, mut stop } = around;
    let mut patience = Patience::new(&limits, standing.as_ref());
    let mut arrival = None;
    let mut alarm = pin!(sleep_until(patience.due()));
    loop {
        if arrival.is_none() {
            arrival = match wire.next_message(&limits) {
                Ok(message) => message.map(|bytes| Arrival::Sip { flow, message: parse(bytes) }),
                Err(reason) => return reason,
            };
            patience.note(wire, arrival.is_some());
        }
        if let Some(waiting) = arrival.take() {
            arrival = match inlet.try_send(waiting) {
                Ok(()) => continue,
                Err(refused) => Some(refused.into_inner()),
            };
        }
        if patience.due() < alarm.deadline() {
            alarm.as_mut().reset(patience.due());
        }
        let reading = arrival.is_none();
        tokio::select! {
            biased;
            asked = &mut close => return asked.map_or(CloseReason::Stop, CloseReason::Engine),
            () = stopped(&mut stop) => return CloseReason::Stop,
            moved = std::future::poll_fn(|cx| wire.poll(cx, reading)) => match moved {
                Ok(Moved::Received) => patience.heard(),
                Ok(Moved::Wrote) => patience.note(wire, !reading),
                Err(reason) => return reason,
            },
            permit = inlet.reserve(), if !reading => match (permit, arrival.take()) {
                (Ok(permit), Some(waiting)) => permit.send(waiting),
                _ => return CloseReason::Stop,
            },
            () = revoked(&mut standing) => return CloseReason::CertificateRevoked,
            () = alarm.as_mut() => {
                if let Some(reason) = patience.over(wire, !reading, standing.as_ref()) {
                    return reason;
                }
                alarm.as_mut().reset(patience.due());
            }
        }
    }
}

async fn revoked(standing: &mut Option<Standing>) {
    match standing {
        Some(standing) => standing.revoked().await,
        None => std::future::pending().await,
    }
}

/// How a socket moved on.
enum Moved {
    /// Bytes came.
    Received,
    /// All that waited was sent, or the peer has begun to take nothing.
    Wrote,
}

/// The socket, what comes from it and what waits for it.
struct Wire<S> {
    socket: S,
    framer: Framer,
    outgoing: mpsc::Receiver<Bytes>,
    writing: Bytes,
    unflushed: bool,
    pongs: usize,
    /// Since when the peer has taken nothing.
    stalled: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn new(socket: S, side: Side, outgoing: mpsc::Receiver<Bytes>) -> Self {
        Self {
            socket,
            framer: Framer::new(side),
            outgoing,
            writing: Bytes::new(),
            unflushed: false,
            pongs: 0,
            stalled: None,
        }
    }

    /// The next whole message among what was received.
    fn next_message(&mut self, limits: &Limits) -> Result<Option<Bytes>, CloseReason> {
        loop {
            match self.framer.poll().map_err(CloseReason::Framing)? {
                Some(Frame::Message(bytes)) if bytes.len() > limits.message_size => {
                    return Err(CloseReason::MessageSize);
                }
                Some(Frame::Message(bytes)) => return Ok(Some(bytes)),
                // A peer that pings without reading gets one answer for all.
                Some(Frame::Ping) => self.pongs = 1,
                Some(Frame::Pong) => {}
                None => return Ok(None),
            }
        }
    }

    /// Writes what waits, then reads if it may.
    fn poll(&mut self, cx: &mut Context<'_>, reading: bool) -> Poll<Result<Moved, CloseReason>> {
        match self.poll_write(cx) {
            Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(Moved::Wrote)),
            Poll::Pending => {}
        }
        if !reading {
            return Poll::Pending;
        }
        let mut space = [const { MaybeUninit::uninit() }; READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer)) {
            Ok(()) if buffer.filled().is_empty() => Poll::Ready(Err(CloseReason::Peer)),
            Ok(()) => {
                self.framer.receive(buffer.filled());
                Poll::Ready(Ok(Moved::Received))
            }
            Err(error) => Poll::Ready(Err(CloseReason::of_error(&error))),
        }
    }

    /// Ready once something that waited has been sent, or cannot be for now; pending while nothing changes.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let mut moved = false;
        loop {
            while !self.writing.is_empty() {
                match Pin::new(&mut self.socket).poll_write(cx, &self.writing) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(CloseReason::Reset)),
                    Poll::Ready(Ok(count)) => {
                        self.writing.advance(count);
                        self.unflushed = true;
                        self.stalled = None;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(CloseReason::of_error(&error))),
                    Poll::Pending => return self.stall(),
                }
            }
            if self.next_to_write(cx)? {
                continue;
            }
            if self.unflushed {
                match Pin::new(&mut self.socket).poll_flush(cx) {
                    Poll::Ready(Ok(())) => (self.unflushed, self.stalled, moved) = (false, None, true),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(CloseReason::of_error(&error))),
                    Poll::Pending => return self.stall(),
                }
            }
            return if moved { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
    }

    /// Notes since when; ready the first time, so that the alarm is set.
    fn stall(&mut self) -> Poll<Result<(), CloseReason>> {
        if self.stalled.is_some() {
            return Poll::Pending;
        }
        self.stalled = Some(Instant::now());
        Poll::Ready(Ok(()))
    }

    /// Takes the next messages out of the queue; false when there is none now.
    fn next_to_write(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if std::mem::take(&mut self.pongs) > 0 {
            self.writing = Bytes::from_static(PONG);
            return Ok(true);
        }
        match self.outgoing.poll_recv(cx) {
            Poll::Ready(Some(bytes)) => {
                self.writing = self.joined(bytes);
                Ok(true)
            }
            Poll::Ready(None) => Err(CloseReason::Stop),
            Poll::Pending => Ok(false),
        }
    }

    /// The message with those behind it, where several wait.
    fn joined(&mut self, first: Bytes) -> Bytes {
        if self.outgoing.is_empty() || first.len() >= WRITE {
            return first;
        }
        let mut all = BytesMut::with_capacity(WRITE);
        all.extend_from_slice(&first);
        while all.len() < WRITE
            && let Ok(next) = self.outgoing.try_recv()
        {
            all.extend_from_slice(&next);
        }
        all.freeze()
    }

    async fn say_goodbye(&mut self, sends_the_rest: bool) -> std::io::Result<()> {
        if sends_the_rest {
            self.outgoing.close();
            self.socket.write_all_buf(&mut self.writing).await?;
            while let Ok(message) = self.outgoing.try_recv() {
                self.socket.write_all(&message).await?;
            }
        }
        self.socket.shutdown().await
    }
}

/// How long the connection may stay as it is.
struct Patience {
    idle: Duration,
    message: Duration,
    heard: Instant,
    /// Since when a message has been incomplete.
    incomplete: Option<Instant>,
    /// Since when the peer has taken nothing.
    stalled: Option<Instant>,
    /// When the certificate is looked at again.
    look: Option<Instant>,
}

impl Patience {
    fn new(limits: &Limits, standing: Option<&Standing>) -> Self {
        let now = Instant::now();
        let mut patience = Self {
            idle: limits.idle_time,
            message: limits.message_time,
            heard: now,
            incomplete: None,
            stalled: None,
            look: None,
        };
        patience.look_again(now, standing);
        patience
    }

    /// Takes over where the wire stands; `excused`: a whole message was just taken out, or we are not reading.
    fn note<S: AsyncRead + AsyncWrite + Unpin>(&mut self, wire: &Wire<S>, excused: bool) {
        self.stalled = wire.stalled;
        if excused || !wire.framer.mid_message() {
            self.incomplete = None;
        } else {
            self.incomplete.get_or_insert_with(Instant::now);
        }
    }

    fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// When to look at it next.
    fn due(&self) -> Instant {
        let slow = self.incomplete.into_iter().chain(self.stalled).map(|since| since + self.message);
        slow.chain(self.look).chain([self.heard + self.idle]).min().unwrap_or(self.heard + self.idle)
    }

    /// Why it is over, if it is. See [`Patience::note`].
    fn over<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &Wire<S>,
        excused: bool,
        standing: Option<&Standing>,
    ) -> Option<CloseReason> {
        let now = Instant::now();
        self.note(wire, excused);
        if standing.is_some_and(|standing| standing.not_after <= clock::wall().seconds()) {
            return Some(CloseReason::CertificateExpired);
        }
        self.look_again(now, standing);
        let lasted = |since: Option<Instant>| since.is_some_and(|since| now >= since + self.message);
        if lasted(self.stalled) {
            Some(CloseReason::SendStalled)
        } else if lasted(self.incomplete) {
            Some(CloseReason::MessageTime)
        } else {
            (now >= self.heard + self.idle).then_some(CloseReason::Idle)
        }
    }

    fn look_again(&mut self, now: Instant, standing: Option<&Standing>) {
        self.look = standing.map(|standing| {
            let left = standing.not_after.saturating_sub(clock::wall().seconds());
            now + Duration::from_secs(left).min(CERTIFICATE_LOOK)
        });
    }
}
