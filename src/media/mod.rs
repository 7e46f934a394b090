//! Media as values: what happens to a packet between two sockets, without a socket.
//!
//! # How the pieces meet
//!
//! The engine tells the media worker what to do with [`MediaCommand`]s and hears back in
//! [`MediaEvent`]s. One *end* ([`EndId`]) is one side of one leg's audio: a socket of ours
//! ([`LocalPort`]), the peer's address ([`Remote`]), keys, codec, flow. A *bridge* joins two ends.
//!
//! ```text
//! Open ─► SetRemote ─► SetCrypto (SRTP ends) ─► SetCodec ─► Bridge ─► … ─► Close ─► Closed{report}
//!            any of them again at any time (re-INVITE, ICE restart, hold, transfer)
//! ```
//!
//! | module | concept |
//! | --- | --- |
//! | [`command`], [`event`], [`end`], [`ports`], [`connectivity`] | the boundary with the engine |
//! | [`relay`] | walk 3, the path of a packet; begin here |
//! | [`packet`], [`demux`], [`rtp`] | what a packet is (RFC 7983, RFC 3550) |
//! | [`incoming`], [`outgoing`] | the streams an end hears, and the one it sends |
//! | [`srtp`] | keys and profiles; protection in place (RFC 3711, RFC 7714) |
//! | [`dtmf`] | keys, as telephone events (RFC 4733) and as tones (Q.23) |
//! | [`g711`] | the audio in which tones are heard and made |
//! | [`rtcp`], [`quality`], [`mos`] | reports, loss and jitter, and how it sounds (RFC 3550, G.107) |
//! | [`webrtc`] | the WebRTC end: ICE and DTLS |
//!
//! # Rules that hold for every end
//!
//! - An end opened as [`Security::Srtp`](end::Security::Srtp) never sends or accepts a packet in clear.
//! - RTP is taken only from the source its [`SourceRule`](end::SourceRule) names; everything else is
//!   dropped and counted by [`DropReason`].
//! - RTCP ends at each end: it is consumed and made anew, never forwarded.
//! - Towards its peer an end is one RTP stream whose sequence numbers and timestamps go on through
//!   every change of who is heard.
//! - Unknown ends in commands are answered by [`MediaEvent::Refused`], never by a panic.

pub mod command;
pub mod connectivity;
pub mod demux;
pub mod dtmf;
pub mod end;
pub mod event;
pub mod g711;
pub mod incoming;
pub mod mos;
pub mod outgoing;
pub mod packet;
pub mod ports;
pub mod quality;
pub mod relay;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
pub mod webrtc;

pub use command::MediaCommand;
pub use connectivity::{CommandRefused, ConnectivityCommand, ConnectivityEvent};
pub use end::{EndId, EndIds, PayloadMap, Remote};
pub use event::{DropReason, MediaEvent, Report};
pub use ports::{LocalPort, PortNumbers, PortPair, PortPool};
pub use srtp::{SrtpKey, SrtpProfile};
