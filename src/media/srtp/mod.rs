//! SRTP and SRTCP in place (RFC 3711; AES-GCM by RFC 7714).
//!
//! A packet is opened and protected in the buffer it was received in, with session keys, key schedules and
//! HMAC state made once per master key. AES comes from `aes` and `ctr`, SHA-1 from `sha1` (which uses the
//! processor's SHA instructions; ring's does not), GCM from `ring`: the fastest of each measured.
//!
//! Not there, because no profile we offer uses it: MKI, key derivation rates other than zero, F8, unencrypted
//! or unauthenticated streams.

mod cm;
mod context;
mod derive;
mod gcm;
mod key;
mod replay;
mod suite;
#[cfg(test)]
mod tests;

pub use context::{MAX_STREAMS, SrtpReceiver, SrtpSender};
pub use key::{KeyLength, SrtpKey, SrtpProfile};
pub use replay::ReplayWindow;
