//! The descriptions of `tests/fixtures/sdp`, for this room's tests.

use super::SessionDescription;

macro_rules! fixtures {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) const $name: &str = include_str!(concat!("../../tests/fixtures/sdp/", $file));)*
        /// All of them.
        pub(super) const ALL: &[&str] = &[$($name),*];
    };
}

fixtures! {
    CHROMIUM = "chromium-audio-video-offer.sdp";
    JSSIP = "jssip-offer.sdp";
    FIREFOX = "firefox-offer.sdp";
    BARESIP = "baresip-sdes-offer.sdp";
    ASTERISK_PLAIN = "asterisk-plain-answer.sdp";
    ASTERISK_SDES = "asterisk-sdes-answer.sdp";
    ASTERISK_DTLS = "asterisk-dtls-answer.sdp";
    SIPP = "sipp-offer.sdp";
    LINPHONE = "linphone-offer.sdp";
    OLD_PHONE_HOLD = "old-phone-hold.sdp";
}

/// Reads a fixture or a variation of one.
pub(super) fn read(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}
