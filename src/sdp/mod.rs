//! SDP as values: reading a peer's description, writing ours, and what the two come to.
//!
//! Branchline ends media on every leg, so it never edits a peer's description: it reads it into a typed value
//! and writes one of its own. The way through the room:
//!
//! ```text
//! peer's text → SessionDescription::parse → remote_audio → RemoteMedia     (which kind of media end to open)
//!                                         → LocalSession::answer → Answer  (the text to send, AgreedMedia)
//! LocalMedia  → LocalSession::offer → text → peer's answer → LocalSession::read_answer → AgreedMedia
//! leg A's RemoteMedia.codecs → codecs_for_other_leg → leg B's LocalMedia.codecs
//! both AgreedMedia.codecs    → payload_map (one each way) → the media bridge
//! ```
//!
//! | file | concept | source |
//! | --- | --- | --- |
//! | `session_description`, `media_description`, `origin`, `connection`, `attribute` | a description | RFC 8866 |
//! | `parse`, `write`, `limits`, `reason` | text, bounds, reasons | RFC 8866 §9 |
//! | `codec`, `rtcp`, `direction` | RTP formats, RTCP, hold | RFC 3551, 3605, 3264 |
//! | `crypto`, `base64` | SDES keys | RFC 4568, 7714 |
//! | `fingerprint`, `setup`, `ice` | DTLS-SRTP over ICE | RFC 8122, 8842, 8839 |
//! | `group`, `source` | BUNDLE, sources, header extensions | RFC 9143, 5576, 8830, 8285 |
//! | `remote`, `local`, `agreed` | the two sides, and what they agreed | |
//! | `answer`, `offer`, `local_section`, `local_session` | offer and answer | RFC 3264 |
//! | `office`, `payload_map` | from leg to leg | |

mod agreed;
mod answer;
mod attribute;
pub(crate) mod base64;
mod codec;
mod connection;
mod crypto;
mod direction;
mod fingerprint;
#[cfg(test)]
mod fixtures;
mod group;
mod ice;
pub mod limits;
mod local;
mod local_section;
mod local_session;
mod media_description;
mod offer;
mod office;
mod origin;
mod parse;
mod payload_map;
mod reason;
mod remote;
mod rtcp;
mod session_description;
mod setup;
mod source;
mod write;

pub use agreed::{AgreedCodec, AgreedMedia, AgreedSecurity, Answer};
pub use answer::answer;
pub use attribute::Attribute;
pub use codec::{Codec, Encoding, PayloadType};
pub use connection::{Connection, ConnectionAddress};
pub use crypto::{CryptoAttribute, CryptoRefusal, MAX_KEY_BYTES, SrtpKey, SrtpSuite};
pub use direction::Direction;
pub use fingerprint::{Fingerprint, HashFunction};
pub use group::Group;
pub use ice::{Candidate, CandidateAddress, CandidateKind, CandidateTransport, IceCredentials};
pub use local::{KeySeed, LocalCapabilities, LocalDtls, LocalIce, LocalMedia, LocalSecurity};
pub use local_session::LocalSession;
pub use media_description::{MediaDescription, MediaKind, TransportProtocol};
pub use offer::{offer, read_answer};
pub use office::{OfficeCodecs, answerable_codecs, codecs_for_other_leg};
pub use origin::Origin;
pub use payload_map::{PayloadMap, payload_map};
pub use reason::{MediaRefusal, ParseError, ParseReason};
pub use remote::{MediaPolicy, RemoteDtls, RemoteIce, RemoteMedia, RemoteSecurity, remote_audio};
pub use rtcp::{RtcpAttribute, RtcpFeedback};
pub use session_description::{Line, SessionDescription};
pub use setup::{DtlsRole, SetupRole};
pub use source::{ExtensionMap, LocalSource, Msid, SsrcAttribute};
