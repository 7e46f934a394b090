//! Why a call or a leg ended: one enum, and its faces in SIP (RFC 3261 §21, RFC 3326), in records and in words.

use crate::engine::policy::{Barrier, Destination};
use crate::sip::StatusCode;

/// A Reason by Q.850 (RFC 6432): 21, call rejected.
macro_rules! rejected {
    ($why:literal) => {
        concat!("Q.850;cause=21;text=\"", $why, "\"")
    };
}

/// The same: 34, no circuit available.
macro_rules! full {
    ($why:literal) => {
        concat!("Q.850;cause=34;text=\"", $why, "\"")
    };
}

/// Why a call or a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A party hung up after the answer.
    HungUp,
    /// The caller gave up before the answer.
    Cancelled,
    /// Another device of the same user answered.
    AnsweredElsewhere,
    /// The called party is busy.
    Busy,
    /// The called party does not want to be disturbed.
    DoNotDisturb,
    /// The called party said no.
    Declined,
    /// Nobody answered in time.
    NoAnswer,
    /// No line leads to that office or number.
    NoRoute,
    /// The call has been here before, or would go back to where it came from.
    Loop,
    /// No such number.
    NoSuchNumber,
    /// The number exists, but no device of it is registered.
    NotRegistered,
    /// The two ends share no codec or no media security.
    NoCommonMedia,
    /// An offer or answer could not be read.
    BadDescription,
    /// The next hop did not respond.
    NextHopSilent,
    /// The called party wants to be called elsewhere (3xx); that is Asterisk's to follow.
    Redirected,
    /// The next hop refused with this status.
    Refused(StatusCode),
    /// No RTP for the configured time: the device vanished.
    MediaTimeout,
    /// ICE or DTLS did not come up.
    MediaFailed,
    /// The session timer ran out (RFC 4028).
    SessionExpired,
    /// The 2xx was never acknowledged.
    Unacknowledged,
    /// The device's connection is gone and it did not come back.
    ConnectionLost,
    /// The box has as many calls as it may.
    Limit,
    /// The caller has.
    UserLimit,
    /// The links together have.
    LinksLimit,
    /// The link has.
    LinkLimit,
    /// The other office has.
    OfficeLimit,
    /// No media port was free.
    NoMediaPort,
    /// The caller may not.
    Forbidden,
    /// The office from which the call or the visitor came may not call that here.
    NotPermitted(Destination),
    /// A rule for calls that go out is in the way.
    Rule(Barrier),
    /// Nothing was heard of either party for too long.
    Idle,
    /// Asterisk is needed for this number and is down.
    AsteriskDown,
    /// The call reached its longest permitted duration.
    TooLong,
    /// The daemon stops.
    Shutdown,
}

impl Cause {
    /// Whether one device says it for all others of its user (6xx, RFC 3261 §16.7 step 5): they stop ringing.
    pub fn is_global(self) -> bool {
        match self {
            Self::Declined => true,
            Self::Refused(status) => status.code() >= 600,
            _ => false,
        }
    }

    /// Whether a permission, a rule or a limit says so.
    pub const fn is_bar(self) -> bool {
        matches!(
            self,
            Self::NotPermitted(_)
                | Self::Rule(_)
                | Self::Limit
                | Self::UserLimit
                | Self::LinksLimit
                | Self::LinkLimit
                | Self::OfficeLimit
        )
    }

    /// The stable word in records, metrics, events and problem documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HungUp => "hangup",
            Self::Cancelled => "cancelled",
            Self::AnsweredElsewhere => "answered-elsewhere",
            Self::Busy => "busy",
            Self::DoNotDisturb => "do-not-disturb",
            Self::Declined => "declined",
            Self::NoAnswer => "no-answer",
            Self::NoRoute => "no-route",
            Self::Loop => "loop",
            Self::NoSuchNumber => "no-such-number",
            Self::NotRegistered => "not-registered",
            Self::NoCommonMedia => "no-common-media",
            Self::BadDescription => "bad-description",
            Self::NextHopSilent => "next-hop-silent",
            Self::Redirected => "redirected",
            Self::Refused(_) => "refused",
            Self::MediaTimeout => "media-timeout",
            Self::MediaFailed => "media-failed",
            Self::SessionExpired => "session-expired",
            Self::Unacknowledged => "unacknowledged",
            Self::ConnectionLost => "connection-lost",
            Self::Limit => "limit",
            Self::UserLimit => "limit-user",
            Self::LinksLimit => "limit-links",
            Self::LinkLimit => "limit-link",
            Self::OfficeLimit => "limit-office",
            Self::NoMediaPort => "no-media-port",
            Self::Forbidden => "forbidden",
            Self::NotPermitted(Destination::Extensions) => "not-permitted-extensions",
            Self::NotPermitted(Destination::Roamers) => "not-permitted-roamers",
            Self::NotPermitted(Destination::Transit) => "not-permitted-transit",
            Self::NotPermitted(Destination::Pstn) => "not-permitted-pstn",
            Self::NotPermitted(Destination::Emergency) => "not-permitted-emergency",
            Self::Rule(Barrier::Refused) => "rule-refused",
            Self::Rule(Barrier::Calls) => "rule-calls",
            Self::Rule(Barrier::Minutes) => "rule-minutes",
            Self::Rule(Barrier::Spend) => "rule-spend",
            Self::Rule(Barrier::Duration) => "rule-duration",
            Self::Idle => "idle",
            Self::AsteriskDown => "asterisk-down",
            Self::TooLong => "too-long",
            Self::Shutdown => "shutdown",
        }
    }

    /// A sentence for the person at the phone page.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::HungUp => "The call has ended.",
            Self::Cancelled => "The caller hung up.",
            Self::AnsweredElsewhere => "Answered on another device.",
            Self::Busy => "The line is busy.",
            Self::DoNotDisturb => "They do not want to be disturbed at present.",
            Self::Declined => "The call was declined.",
            Self::NoAnswer => "Nobody answered.",
            Self::NoRoute => "No line leads to that number from here.",
            Self::Loop => "The call went round in a circle between offices.",
            Self::NoSuchNumber => "There is no such number.",
            Self::NotRegistered => "No phone of this extension is connected.",
            Self::NoCommonMedia => "The two phones have no audio format in common.",
            Self::BadDescription => "The other phone described its audio in a way that cannot be used.",
            Self::NextHopSilent => "The other side does not respond.",
            Self::Redirected => {
                "The called phone forwards its calls to a place that cannot be reached from here."
            }
            Self::Refused(_) => "The other side refused the call.",
            Self::MediaTimeout => "The connection was lost: no sound arrived for a while.",
            Self::MediaFailed => "No audio connection could be made.",
            Self::SessionExpired => "The connection was lost: the other phone stopped refreshing the call.",
            Self::Unacknowledged => "The caller's phone vanished while the call was answered.",
            Self::ConnectionLost => "The phone lost its connection and did not come back.",
            Self::Limit | Self::LinksLimit | Self::LinkLimit | Self::OfficeLimit => {
                "Too many calls at once. Try again in a moment."
            }
            Self::UserLimit => "This extension has as many calls at once as it may.",
            Self::NoMediaPort => "No audio port is free. Try again in a moment.",
            Self::Forbidden => "This call is not permitted.",
            Self::NotPermitted(_) => "The caller's office may not call that number here.",
            Self::Rule(Barrier::Refused) => "Such numbers may not be called from here.",
            Self::Rule(Barrier::Calls) => "Enough such calls were made in this hour.",
            Self::Rule(Barrier::Minutes) => "The minutes for such calls are used up for today.",
            Self::Rule(Barrier::Spend) => "The money for such calls is spent for today.",
            Self::Rule(Barrier::Duration) => "Such calls may not last longer.",
            Self::Idle => "The connection was lost: nothing was heard of either phone for a long time.",
            Self::AsteriskDown => {
                "Voicemail and other services are away while the telephone system restarts. People can be called."
            }
            Self::TooLong => "The call reached the longest time allowed.",
            Self::Shutdown => "The gateway is shutting down.",
        }
    }

    /// The same to whoever called an extension while the site's Asterisk is down, and would else have come to voicemail.
    pub const fn in_words_without_voicemail(self) -> &'static str {
        match self {
            Self::Busy => "The line is busy. Voicemail is away while the telephone system restarts.",
            Self::NoAnswer => "Nobody answered. Voicemail is away while the telephone system restarts.",
            Self::NotRegistered => {
                "No phone of this extension is connected. Voicemail is away while the telephone system restarts."
            }
            other => other.in_words(),
        }
    }

    /// What a phone shows beside the status of a refusal, where the status's own phrase does not say it (RFC 3261 §7.2).
    pub const fn phrase(self) -> Option<&'static str> {
        match self {
            Self::NoAnswer => Some("Nobody Answered"),
            Self::NotRegistered => Some("Phone Not Connected"),
            Self::NextHopSilent => Some("No Response From There"),
            Self::NoRoute => Some("No Line Leads There"),
            Self::NoSuchNumber => Some("No Such Number"),
            Self::Limit => Some("Too Many Calls"),
            Self::AsteriskDown => Some("Voicemail And Services Away"),
            _ => None,
        }
    }

    /// The sentence that goes with a stable word, for records; `None` for a word of another version.
    pub fn words_of(word: &str) -> Option<&'static str> {
        const ALL: [Cause; 42] = [
            Cause::HungUp,
            Cause::Cancelled,
            Cause::AnsweredElsewhere,
            Cause::Busy,
            Cause::DoNotDisturb,
            Cause::Declined,
            Cause::NoAnswer,
            Cause::NoRoute,
            Cause::Loop,
            Cause::NoSuchNumber,
            Cause::NotRegistered,
            Cause::NoCommonMedia,
            Cause::BadDescription,
            Cause::NextHopSilent,
            Cause::Redirected,
            Cause::Refused(StatusCode::SERVER_INTERNAL_ERROR),
            Cause::MediaTimeout,
            Cause::MediaFailed,
            Cause::SessionExpired,
            Cause::Unacknowledged,
            Cause::ConnectionLost,
            Cause::Limit,
            Cause::UserLimit,
            Cause::LinksLimit,
            Cause::LinkLimit,
            Cause::OfficeLimit,
            Cause::NoMediaPort,
            Cause::Forbidden,
            Cause::NotPermitted(Destination::Extensions),
            Cause::NotPermitted(Destination::Roamers),
            Cause::NotPermitted(Destination::Transit),
            Cause::NotPermitted(Destination::Pstn),
            Cause::NotPermitted(Destination::Emergency),
            Cause::Rule(Barrier::Refused),
            Cause::Rule(Barrier::Calls),
            Cause::Rule(Barrier::Minutes),
            Cause::Rule(Barrier::Spend),
            Cause::Rule(Barrier::Duration),
            Cause::Idle,
            Cause::AsteriskDown,
            Cause::TooLong,
            Cause::Shutdown,
        ];
        ALL.into_iter().find(|cause| cause.as_str() == word).map(Cause::in_words)
    }

    /// The status that tells a caller, before the answer, why the call failed.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Busy | Self::DoNotDisturb => StatusCode::BUSY_HERE,
            Self::Declined => StatusCode::DECLINE,
            Self::NoSuchNumber | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::NoAnswer | Self::NotRegistered | Self::NextHopSilent | Self::Redirected => {
                StatusCode::TEMPORARILY_UNAVAILABLE
            }
            Self::NoCommonMedia | Self::BadDescription => StatusCode::NOT_ACCEPTABLE_HERE,
            Self::Cancelled | Self::AnsweredElsewhere | Self::HungUp => StatusCode::REQUEST_TERMINATED,
            Self::Forbidden | Self::NotPermitted(_) | Self::Rule(_) => StatusCode::FORBIDDEN,
            Self::Refused(status) => passed_on(status),
            Self::MediaFailed
            | Self::MediaTimeout
            | Self::SessionExpired
            | Self::Unacknowledged
            | Self::ConnectionLost
            | Self::TooLong
            | Self::Idle => StatusCode::SERVER_INTERNAL_ERROR,
            Self::Limit
            | Self::UserLimit
            | Self::LinksLimit
            | Self::LinkLimit
            | Self::OfficeLimit
            | Self::NoMediaPort
            | Self::AsteriskDown
            | Self::Shutdown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What a final response from the called side means.
    pub fn of_response(status: StatusCode) -> Self {
        match status {
            StatusCode::BUSY_HERE | StatusCode::BUSY_EVERYWHERE => Self::Busy,
            StatusCode::DECLINE => Self::Declined,
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::ADDRESS_INCOMPLETE => Self::NoSuchNumber,
            StatusCode::TEMPORARILY_UNAVAILABLE => Self::NotRegistered,
            StatusCode::REQUEST_TIMEOUT => Self::NextHopSilent,
            StatusCode::NOT_ACCEPTABLE_HERE | StatusCode::NOT_ACCEPTABLE => Self::NoCommonMedia,
            StatusCode::REQUEST_TERMINATED => Self::Cancelled,
            StatusCode::FORBIDDEN => Self::Forbidden,
            other if other.is_redirect() => Self::Redirected,
            other => Self::Refused(other),
        }
    }

    /// The value of a Reason header that goes with a CANCEL or BYE (RFC 3326), when it says more than the method.
    pub const fn reason_header(self) -> Option<&'static str> {
        match self {
            Self::AnsweredElsewhere => Some("SIP;cause=200;text=\"Call completed elsewhere\""),
            Self::MediaTimeout => Some("SIP;cause=408;text=\"No RTP\""),
            Self::SessionExpired => Some("SIP;cause=408;text=\"Session expired\""),
            Self::NextHopSilent => Some("SIP;cause=408;text=\"No response in time\""),
            Self::NoAnswer => Some("SIP;cause=480;text=\"No answer\""),
            Self::TooLong => Some("SIP;cause=503;text=\"Longest call duration reached\""),
            Self::Shutdown => Some("SIP;cause=503;text=\"Gateway stops\""),
            Self::Idle => Some("SIP;cause=408;text=\"No media from either side\""),
            Self::NotPermitted(Destination::Extensions) => Some(rejected!("not-permitted-extensions")),
            Self::NotPermitted(Destination::Roamers) => Some(rejected!("not-permitted-roamers")),
            Self::NotPermitted(Destination::Transit) => Some(rejected!("not-permitted-transit")),
            Self::NotPermitted(Destination::Pstn) => Some(rejected!("not-permitted-pstn")),
            Self::Rule(Barrier::Refused) => Some(rejected!("rule-refused")),
            Self::Rule(Barrier::Calls) => Some(rejected!("rule-calls")),
            Self::Rule(Barrier::Minutes) => Some(rejected!("rule-minutes")),
            Self::Rule(Barrier::Spend) => Some(rejected!("rule-spend")),
            Self::Rule(Barrier::Duration) => Some("Q.850;cause=102;text=\"rule-duration\""),
            Self::Limit => Some(full!("limit")),
            Self::UserLimit => Some(full!("limit-user")),
            Self::LinksLimit => Some(full!("limit-links")),
            Self::LinkLimit => Some(full!("limit-link")),
            Self::OfficeLimit => Some(full!("limit-office")),
            _ => None,
        }
    }
}

/// A refusal as the caller may see it: what was meant for us, or asks the caller for something that only we could give
/// the called side, becomes 500.
const fn passed_on(status: StatusCode) -> StatusCode {
    match status.code() {
        401 | 407 | 412 | 417 | 420..=424 | 428..=440 | 481 | 489 | 493 | 494 => {
            StatusCode::SERVER_INTERNAL_ERROR
        }
        _ => status,
    }
}
