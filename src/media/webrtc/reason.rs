//! Every way in which a WebRTC end fails, and every reason for which a packet is dropped.

/// Why an end has no media. Each has plain words for the person at the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndFailure {
    /// No ICE check succeeded in time.
    NoIcePath,
    /// The selected path fell silent for 30 s (RFC 7675 §5.1).
    ConsentLost,
    /// Both sides are ICE-lite, so nobody would send checks.
    BothLite,
    /// ICE found a path, but the DTLS handshake did not finish in time.
    DtlsTimeout,
    /// The peer's certificate is not the one that signalling announced.
    FingerprintMismatch,
    /// The peer showed no certificate.
    NoPeerCertificate,
    /// No SRTP protection profile in common, or no `use_srtp` extension.
    NoCommonProfile,
    /// No cipher suite, curve or signature scheme in common.
    NoCommonCipher,
    /// The peer ended the handshake with a fatal alert (its description, RFC 5246 §7.2).
    PeerAlert(u8),
    /// The peer broke the DTLS protocol.
    DtlsProtocol,
    /// The peer's handshake exceeded the bytes or datagrams that we allow.
    HandshakeTooLarge,
}

impl EndFailure {
    /// The label in metrics and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoIcePath => "no-ice-path",
            Self::ConsentLost => "consent-lost",
            Self::BothLite => "both-ice-lite",
            Self::DtlsTimeout => "dtls-timeout",
            Self::FingerprintMismatch => "fingerprint-mismatch",
            Self::NoPeerCertificate => "no-peer-certificate",
            Self::NoCommonProfile => "no-common-srtp-profile",
            Self::NoCommonCipher => "no-common-dtls-cipher",
            Self::PeerAlert(_) => "dtls-peer-alert",
            Self::DtlsProtocol => "dtls-protocol",
            Self::HandshakeTooLarge => "dtls-handshake-too-large",
        }
    }

    /// One sentence for a person who hears nothing.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::NoIcePath => {
                "No network path for sound was found: a firewall may block UDP between you and the office."
            }
            Self::ConsentLost => "The network path for sound went silent for half a minute.",
            Self::BothLite => {
                "Your device expects us to look for a network path, and we expect it of your device."
            }
            Self::DtlsTimeout => {
                "A network path was found, but encryption could not be agreed in time: the network loses many packets."
            }
            Self::FingerprintMismatch => {
                "The encryption key does not belong to the device that called: someone may be listening in."
            }
            Self::NoPeerCertificate => "Your device showed no encryption certificate.",
            Self::NoCommonProfile => "Your device and the office share no way to encrypt sound.",
            Self::NoCommonCipher => "Your device and the office share no way to exchange encryption keys.",
            Self::PeerAlert(_) => "Your device refused to agree on encryption.",
            Self::DtlsProtocol | Self::HandshakeTooLarge => {
                "Your device's encryption handshake was malformed."
            }
        }
    }
}

macro_rules! packet_drops {
    ($($(#[$doc:meta])* $name:ident => $label:literal,)*) => {
        /// Why a STUN or DTLS packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum PacketDrop { $($(#[$doc])* $name,)* }

        impl PacketDrop {
            /// Every reason, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The label in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

packet_drops! {
    /// Neither STUN nor DTLS by its first byte (RFC 7983), or empty, or over 2,048 bytes.
    NotForUs => "not-for-us",
    /// STUN that does not parse, or is not a binding message.
    StunMalformed => "stun-malformed",
    /// STUN without a FINGERPRINT, or with a wrong one (RFC 8445 §7.1).
    StunFingerprint => "stun-fingerprint",
    /// A binding request without USERNAME, or for a fragment that no end here has.
    UnknownUfrag => "stun-unknown-ufrag",
    /// A binding request whose second fragment is not the peer's.
    WrongUsername => "stun-wrong-username",
    /// MESSAGE-INTEGRITY absent or wrong.
    WrongIntegrity => "stun-wrong-integrity",
    /// More binding requests than an end accepts.
    CheckRate => "stun-check-rate",
    /// An end knows as many remote addresses as it may.
    PathTableFull => "stun-path-table-full",
    /// A response to a request that we did not send, or sent to another address.
    UnknownTransaction => "stun-unknown-transaction",
    /// DTLS from an address that ICE has not validated for any end.
    DtlsStranger => "dtls-stranger",
    /// DTLS before signalling named the peer's fingerprint.
    DtlsBeforeSignalling => "dtls-before-signalling",
    /// DTLS whose record framing is broken.
    DtlsMalformed => "dtls-malformed",
    /// DTLS that this end has no use for in its state, application data among it.
    DtlsUnexpected => "dtls-unexpected",
    /// For an end that has failed or is closed.
    EndGone => "end-gone",
    /// The queue between the media worker and connectivity was full.
    QueueFull => "queue-full",
}

/// Counts by reason: fixed size, saturating.
#[derive(Clone, Debug, Default)]
pub struct DropCounts([u64; PacketDrop::ALL.len()]);

impl DropCounts {
    /// Counts one packet.
    pub fn add(&mut self, reason: PacketDrop) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// How many were dropped for `reason`.
    pub fn of(&self, reason: PacketDrop) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }
}

/// What became of a remote candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateVerdict {
    /// It will be checked, or, as ICE-lite, its checks are awaited.
    Added,
    /// It was known already.
    Known,
    /// An mDNS name (`….local`): we do not resolve those; the browser's checks show the address.
    Mdns,
    /// Port 0, or a multicast, broadcast or unspecified address, or loopback without a loopback candidate here.
    Unusable,
    /// No local candidate of that address family.
    OtherFamily,
    /// The end knows as many remote addresses as it may.
    TooMany,
}

impl CandidateVerdict {
    /// Every verdict, in order.
    pub const ALL: [Self; 6] =
        [Self::Added, Self::Known, Self::Mdns, Self::Unusable, Self::OtherFamily, Self::TooMany];

    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Known => "known",
            Self::Mdns => "mdns",
            Self::Unusable => "unusable",
            Self::OtherFamily => "other-family",
            Self::TooMany => "too-many",
        }
    }
}
