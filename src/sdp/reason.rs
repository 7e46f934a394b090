//! Why a description was refused: one enum per step, each with a name for metrics and journals.

use thiserror::Error;

/// A description that could not be read (RFC 8866): the first line that was wrong, and why.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("SDP line {line}: {}", reason.as_str())]
pub struct ParseError {
    /// Line number from 1; 0 when the whole text is meant.
    pub line: usize,
    /// What was wrong.
    pub reason: ParseReason,
}

/// What was wrong with a description's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParseReason {
    /// No text at all.
    Empty,
    /// More than [`super::limits::MAX_BYTES`].
    TooLarge,
    /// More than [`super::limits::MAX_LINES`].
    TooManyLines,
    /// A line above [`super::limits::MAX_LINE_BYTES`].
    LineTooLong,
    /// More than [`super::limits::MAX_MEDIA`] media sections.
    TooManyMedia,
    /// More than [`super::limits::MAX_FORMATS`] formats on an `m=` line.
    TooManyFormats,
    /// More than [`super::limits::MAX_ATTRIBUTES`] on one level.
    TooManyAttributes,
    /// More than [`super::limits::MAX_CANDIDATES`] in one section.
    TooManyCandidates,
    /// More than [`super::limits::MAX_CRYPTO`] in one section.
    TooManyCrypto,
    /// The text is not UTF-8.
    NotUtf8,
    /// A NUL or a bare CR inside a line.
    ControlCharacter,
    /// Not `letter=value`.
    NotALine,
    /// A letter that RFC 8866 does not know; it demands that the whole description be refused.
    UnknownLine,
    /// A line of the session's after the first `m=`.
    MisplacedLine,
    /// A line that may stand once on its level stood there again.
    RepeatedLine,
    /// The first line is not `v=0`.
    BadVersion,
    /// No `o=` line.
    MissingOrigin,
    /// An `o=` line that is not six fields.
    BadOrigin,
    /// A `c=` line that is not network type, address type and address.
    BadConnection,
    /// An `m=` line without kind, port, protocol and format.
    BadMedia,
    /// A port above 65535, or not a number.
    BadPort,
    /// An attribute without a name.
    BadAttribute,
}

impl ParseReason {
    /// The name used as a metrics label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too-large",
            Self::TooManyLines => "too-many-lines",
            Self::LineTooLong => "line-too-long",
            Self::TooManyMedia => "too-many-media",
            Self::TooManyFormats => "too-many-formats",
            Self::TooManyAttributes => "too-many-attributes",
            Self::TooManyCandidates => "too-many-candidates",
            Self::TooManyCrypto => "too-many-crypto",
            Self::NotUtf8 => "not-utf8",
            Self::ControlCharacter => "control-character",
            Self::NotALine => "not-a-line",
            Self::UnknownLine => "unknown-line",
            Self::MisplacedLine => "misplaced-line",
            Self::RepeatedLine => "repeated-line",
            Self::BadVersion => "bad-version",
            Self::MissingOrigin => "missing-origin",
            Self::BadOrigin => "bad-origin",
            Self::BadConnection => "bad-connection",
            Self::BadMedia => "bad-media",
            Self::BadPort => "bad-port",
            Self::BadAttribute => "bad-attribute",
        }
    }
}

/// Why no media session could be made of an offer, or of an answer to ours. SIP's reply to the first is
/// `488 Not Acceptable Here`; to the second, ACK and BYE.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[error("{}", self.as_str())]
pub enum MediaRefusal {
    /// There is no audio section.
    NoAudio,
    /// Every audio section has port 0.
    AudioDisabled,
    /// The section's transport protocol is not one of ours.
    UnsupportedProtocol,
    /// The protocol is known, but this side may not use it (plain RTP where SRTP is demanded, say).
    ProtocolNotAllowed,
    /// No codec in common; telephone-event alone does not count.
    NoCommonCodec,
    /// Neither the section nor the session has a connection address.
    MissingAddress,
    /// The address is a name: media is never resolved by DNS.
    AddressNotNumeric,
    /// The address is multicast or the broadcast address.
    AddressNotUnicast,
    /// SDES: there is no `a=crypto` line.
    MissingCrypto,
    /// SDES: no `a=crypto` line has a suite, key and parameters we can honour.
    NoAcceptableCrypto,
    /// DTLS-SRTP: no `a=fingerprint` with a hash function we accept.
    MissingFingerprint,
    /// DTLS-SRTP: no ICE user fragment or password, or one outside RFC 8839's lengths.
    MissingIce,
    /// DTLS-SRTP: RTP and RTCP are not multiplexed; Branchline has one ICE component.
    MissingRtcpMux,
    /// DTLS-SRTP: the setup roles do not fit (RFC 5763): both active, both passive, or held.
    SetupConflict,
    /// An answer with another number of media sections than our offer had.
    SectionCountDiffers,
    /// An answer whose section is of another kind than ours.
    KindDiffers,
    /// An answer whose transport protocol is not the one we offered.
    ProtocolDiffers,
    /// An answer that rejected our audio section.
    Rejected,
    /// An answer with a crypto tag that we did not offer, or another suite than that tag had.
    UnknownCryptoTag,
    /// An answer that groups a media section which our offer did not group.
    BundleDiffers,
}

impl MediaRefusal {
    /// The name used as a metrics label and in the call's record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAudio => "no-audio",
            Self::AudioDisabled => "audio-disabled",
            Self::UnsupportedProtocol => "unsupported-protocol",
            Self::ProtocolNotAllowed => "protocol-not-allowed",
            Self::NoCommonCodec => "no-common-codec",
            Self::MissingAddress => "missing-address",
            Self::AddressNotNumeric => "address-not-numeric",
            Self::AddressNotUnicast => "address-not-unicast",
            Self::MissingCrypto => "missing-crypto",
            Self::NoAcceptableCrypto => "no-acceptable-crypto",
            Self::MissingFingerprint => "missing-fingerprint",
            Self::MissingIce => "missing-ice",
            Self::MissingRtcpMux => "missing-rtcp-mux",
            Self::SetupConflict => "setup-conflict",
            Self::SectionCountDiffers => "section-count-differs",
            Self::KindDiffers => "kind-differs",
            Self::ProtocolDiffers => "protocol-differs",
            Self::Rejected => "rejected",
            Self::UnknownCryptoTag => "unknown-crypto-tag",
            Self::BundleDiffers => "bundle-differs",
        }
    }
}
