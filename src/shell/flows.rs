//! What the engine's task knows of connections and sockets: the way from a [`Flow`] to the wire.
//!
//! | a connection is | event | then |
//! | --- | --- | --- |
//! | open | a message | queued; its task writes it |
//! | open | its queue is full | told to close; the engine hears [`FlowFailure::Slow`] at once |
//! | open | the engine closes it, or resets it because it is [`FlowFailure::Silent`] | told to close; the engine hears of it when it is over |
//! | closing | a message | the engine hears [`FlowFailure::Unknown`] |
//! | reported | it is over | forgotten; the engine knows already |
//!
//! The table is bounded by the listeners' places for connections.

use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::listen::{Line, UdpSender};
use crate::engine::flow::{ConnectionId, Flow, FlowFailure};
use crate::observe::Metrics;

/// Connections and sockets.
#[derive(Debug)]
pub struct Flows {
    lines: HashMap<ConnectionId, State>,
    sockets: Vec<UdpSender>,
    metrics: Metrics,
}

#[derive(Debug)]
enum State {
    Open(Line),
    /// Told to close; the engine waits to hear that it is over.
    Closing,
    /// Told to close; the engine knows.
    Reported,
}

impl Flows {
    /// No connections yet; these are the UDP sockets.
    pub fn new(sockets: Vec<UdpSender>, metrics: Metrics) -> Self {
        Self { lines: HashMap::new(), sockets, metrics }
    }

    /// A connection is ready.
    pub fn opened(&mut self, connection: ConnectionId, line: Line) {
        self.lines.insert(connection, State::Open(line));
    }

    /// A connection is over. Returns whether the engine must hear of it.
    pub fn closed(&mut self, connection: ConnectionId) -> bool {
        matches!(self.lines.remove(&connection), Some(State::Open(_) | State::Closing))
    }

    /// Connections that are open.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Sends one message, without waiting. An error must be told to the engine.
    pub fn transmit(&mut self, flow: &Flow, bytes: Bytes) -> Result<(), FlowFailure> {
        match flow.connection {
            Some(connection) => self.queue(connection, bytes),
            None => self.send_datagram(flow, &bytes),
        }
    }

    /// Closes a connection once what is queued has been sent; one that is [`FlowFailure::Silent`] at once. An error must be told to the engine.
    pub fn close(&mut self, flow: &Flow, reason: FlowFailure) -> Result<(), FlowFailure> {
        let state = flow.connection.and_then(|connection| self.lines.get_mut(&connection));
        match state {
            Some(state @ State::Open(_)) => {
                if let State::Open(line) = std::mem::replace(state, State::Closing) {
                    // A task that is gone already reports its end all the same.
                    let _ = line.close.send(reason);
                }
                Ok(())
            }
            Some(State::Closing | State::Reported) => Ok(()),
            None => Err(FlowFailure::Unknown),
        }
    }

    fn queue(&mut self, connection: ConnectionId, bytes: Bytes) -> Result<(), FlowFailure> {
        let Some(state) = self.lines.get_mut(&connection) else { return Err(FlowFailure::Unknown) };
        let State::Open(line) = state else { return Err(FlowFailure::Unknown) };
        match line.outgoing.try_send(bytes) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                *state = State::Reported;
                Err(FlowFailure::Closed)
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.metrics.dropped("connection", "send-queue-full");
                if let State::Open(line) = std::mem::replace(state, State::Reported) {
                    // A task that is gone already needs no telling.
                    let _ = line.close.send(FlowFailure::Slow);
                }
                Err(FlowFailure::Slow)
            }
        }
    }

    fn send_datagram(&self, flow: &Flow, bytes: &[u8]) -> Result<(), FlowFailure> {
        let Some(socket) = self.sockets.iter().find(|socket| socket.serves(flow.local)) else {
            return Err(FlowFailure::Unknown);
        };
        match socket.send(flow.local, flow.remote, bytes) {
            Ok(()) => Ok(()),
            Err(error) => match error.kind() {
                // Repeated by the transaction layer, as any datagram that is lost.
                io::ErrorKind::WouldBlock => {
                    self.metrics.dropped("udp", "send-buffer-full");
                    Ok(())
                }
                io::ErrorKind::ConnectionRefused => Err(FlowFailure::Refused),
                _ => {
                    self.metrics.dropped("udp", "send-failed");
                    Err(FlowFailure::Unknown)
                }
            },
        }
    }
}
