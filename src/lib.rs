//! Branchline, an edge voice gateway: one daemon on a branch office's box.
//!
//! # The rooms, in the order data meets them
//!
//! | room | what is there |
//! | --- | --- |
//! | [`config`] | the only reader of files and environment: raw TOML → check → `Config` |
//! | [`sip`] | SIP as values: wire message, headers, URI, digest, framing, limits |
//! | [`sdp`] | SDP as values: session descriptions, offer and answer, crypto, candidates |
//! | [`engine`] | sans-IO signalling: transactions, dialogs, registrar, calls; `Input` in, `Output` out |
//! | [`media`] | sans-IO media: demultiplexing, SRTP, bridge, RTCP and MOS, DTMF, the WebRTC end |
//! | [`uplink`] | the MQTT contract as values: topics, documents, route sets and their signatures, what waits |
//! | [`asterisk`] | what we tell and ask Asterisk |
//! | [`api`] | HTTP: REST, WebSocket, the pages in the binary |
//! | [`shell`] | all I/O: listeners, the engine task, the media worker, store, systemd, clock |
//! | [`cli`] | the command line: arguments, and the subcommands that need no daemon |
//! | `controller` | the federation's controller, with the feature `controller`: no part of a box |
//! | [`observe`] | metric names, reasons, health conditions, journal fields |
//!
//! `docs/architecture.md` has the four walks (REGISTER, INVITE, an RTP packet, a route push) and the
//! invariants. The one that matters most: [`sip`], [`sdp`], [`engine`], [`media`] and [`uplink`]
//! import no runtime, socket, file, clock or random source; `tests/pure_rooms.rs` enforces it.

pub mod api;
pub mod asterisk;
pub mod cli;
pub mod config;
#[cfg(feature = "controller")]
pub mod controller;
pub mod engine;
pub mod media;
pub mod observe;
pub mod sdp;
pub mod shell;
pub mod sip;
pub mod time;
pub mod uplink;
