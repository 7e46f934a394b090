//! The peers that Branchline is tested with, and the instruments that measure them.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`phone`] | a scripted SIP phone over UDP, TCP or TLS, with RTP that carries and measures a tone |
//! | [`baresip`] | the real baresip: TLS with client certificate, SDES-SRTP, recording to WAV |
//! | [`carrier`] | a carrier behind a `PstnGateway`: SIPp, which notes who calls whom |
//! | [`far_end`] | another office's end of a link, which gets stuck or stalls as the script wants |
//! | [`wan`] | a network of hosts with a namespace each |
//! | [`sipp`] | the real SIPp: an old UDP phone, or thousands of them |
//! | [`browser`] | a real Chromium, driven page by page |
//! | [`softphone`] | JsSIP in such a page, SIP over secure WebSocket |
//! | [`broker`] | a real Mosquitto with TLS and client certificates, heard and spoken to by its own clients |
//! | [`postgres`] | a real PostgreSQL with a cluster of its own |
//! | [`asterisk`] | a private Asterisk 22, started and asked by `scripts/asterisk` |
//! | [`machine`] | a container with a real systemd, booted by `scripts/systemd-root` |
//! | [`tone`] | tones made and measured: frequency, level, gaps |
//! | [`office`] | Branchline's daemon and an Asterisk behind it, with accounts and devices |
//! | [`phone_page`] | Branchline's phone page, as a person uses it |
//! | [`cases`] | many short scripts in one office |
//! | [`device`] | any of these devices under one set of verbs |
//! | [`certs`] | a certificate authority and certificates for one test |
//! | [`process`] | child processes that end with the test |
//! | [`ports`] | ports that nobody else uses |
//!
//! Nothing here imports the product: a mistake in its parser or media path must not be repeated here.
//! A peer that is not installed is a [`Failure`] that says which group of `scripts/prerequisites` brings it.

pub mod asterisk;
pub mod baresip;
pub mod broker;
pub mod browser;
pub mod carrier;
pub mod cases;
pub mod certs;
pub mod device;
mod failure;
pub mod far_end;
pub mod g711;
pub mod machine;
pub mod office;
pub mod phone;
pub mod phone_page;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod sipp;
pub mod softphone;
pub mod tone;
pub mod wan;
pub mod wav;

pub use failure::{Failure, Outcome, require_program};
