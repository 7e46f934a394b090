//! The media worker: one thread that owns every media socket.
//!
//! Walk 3 (an RTP packet) happens here: socket batch → [`crate::media`] → socket batch, with no engine, lock,
//! await or allocation in between.

use std::net::SocketAddr;

use crate::media::MediaEvent;

/// Takes an event for the engine without waiting; gives it back when its queue is full.
pub type EventSink = Box<dyn FnMut(MediaEvent) -> Result<(), MediaEvent> + Send>;

/// Takes a STUN or DTLS packet that came to the WebRTC socket from the given address, without waiting;
/// false when its queue is full (the packet is dropped and counted). Connectivity answers through its own
/// clone of the socket.
pub type ConnectivitySink = Box<dyn FnMut(SocketAddr, &[u8]) -> bool + Send>;
