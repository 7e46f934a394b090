//! SIP as values: what a message says, read from bytes and written to bytes. No socket, clock or chance.
//!
//! | file | what lies there |
//! | --- | --- |
//! | [`message`] | [`Message`], [`Request`], [`Response`]: start line, [`Headers`], body; making answers, CANCEL, ACK; writing |
//! | [`headers`] | [`Headers`]: the ordered list of [`Header`]s of one message, known and unknown, as they came |
//! | [`header`] | [`HeaderName`] and one file per typed view: Via, addresses, CSeq, timers, reliability, … |
//! | [`body`] | what a body is, and the session description in it, also inside multipart |
//! | [`uri`] | [`Uri`] (SIP, tel, others), [`Host`], [`Params`], equivalence and escapes |
//! | [`method`], [`status`], [`transport`] | the closed vocabularies |
//! | [`parse`] | one datagram (or frame) → [`Message`], or a [`parse::ParseError`] that says whether to answer |
//! | [`malformed`] | [`malformed::Malformation`]: every way to be no message, with its status |
//! | [`check`] | what a well-formed message may still get wrong, with the status to refuse it by |
//! | [`framing`] | a byte stream → messages and keep-alives |
//! | [`digest`] | both sides of digest authentication (RFC 8760), as values |
//! | [`limits`] | every maximum of this room |
//! | [`text`], [`flaw`] | shared text slices, and the named reasons why something is not SIP |
//!
//! # How to use it
//!
//! [`parse::parse`] turns bytes into a [`Message`] whose mandatory headers are known to be there and to be
//! readable; so on a parsed message [`Request::cseq`], [`Request::from`] and so on never answer `None`.
//! Everything else is read lazily: `request.headers.read::<SessionExpires>()`, `request.contacts()`.
//! Whatever this room does not understand stays in [`Headers`] and is written back as it came.
//!
//! # Memory
//!
//! A [`Text`] is a slice of the datagram it came from and keeps that whole datagram alive. What outlives its
//! transaction (a binding, a dialog's route set) must be stored `detached()`: [`Text::detached`],
//! [`Uri::detached`], [`NameAddr::detached`].

pub mod body;
pub mod check;
pub mod digest;
pub mod flaw;
pub mod framing;
pub mod header;
pub mod headers;
pub mod limits;
pub mod malformed;
pub mod message;
pub mod method;
pub mod parse;
pub mod pidf_lo;
mod scan;
pub mod status;
pub mod text;
pub mod transport;
pub mod uri;

pub use flaw::Flaw;
pub use header::{Contacts, HeaderName, NameAddr, Via};
pub use headers::{Header, Headers};
pub use message::{Message, Request, Response};
pub use method::Method;
pub use status::StatusCode;
pub use text::Text;
pub use transport::Transport;
pub use uri::{Host, Params, SipUri, Uri};
