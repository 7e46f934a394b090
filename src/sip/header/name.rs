//! Header names.

use std::fmt;

use crate::sip::{Flaw, Text, scan};

macro_rules! names {
    ($($variant:ident $text:literal $compact:literal $list:literal;)*) => {
        /// The name of a header, without regard to case or compact form. Unknown names stay as written.
        #[derive(Clone, Debug, Eq)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// A name we have no variant for, as written.
            Other(Text),
        }

        impl HeaderName {
            /// The names with a variant of their own.
            pub const KNOWN: &[Self] = &[$(Self::$variant,)*];

            /// The long form; unknown names as written.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(name) => name.as_str(),
                }
            }

            /// Whether the value is a comma list, of which each element could stand in a header of its own
            /// (RFC 3261 §7.3.1).
            pub const fn is_list(&self) -> bool {
                match self {
                    $(Self::$variant => $list,)*
                    Self::Other(_) => false,
                }
            }

            fn known(text: &str) -> Option<Self> {
                if let [byte] = text.as_bytes() {
                    return match byte.to_ascii_lowercase() {
                        $($compact if $compact != 0 => Some(Self::$variant),)*
                        _ => None,
                    };
                }
                $(if text.len() == $text.len() && text.eq_ignore_ascii_case($text) {
                    return Some(Self::$variant);
                })*
                None
            }
        }
    };
}

names! {
    Via "Via" b'v' true;
    From "From" b'f' false;
    To "To" b't' false;
    CallId "Call-ID" b'i' false;
    CSeq "CSeq" 0 false;
    MaxForwards "Max-Forwards" 0 false;
    Contact "Contact" b'm' true;
    ContentLength "Content-Length" b'l' false;
    ContentType "Content-Type" b'c' false;
    Route "Route" 0 true;
    RecordRoute "Record-Route" 0 true;
    Path "Path" 0 true;
    ServiceRoute "Service-Route" 0 true;
    Authorization "Authorization" 0 false;
    ProxyAuthorization "Proxy-Authorization" 0 false;
    WwwAuthenticate "WWW-Authenticate" 0 false;
    ProxyAuthenticate "Proxy-Authenticate" 0 false;
    AuthenticationInfo "Authentication-Info" 0 false;
    Expires "Expires" 0 false;
    MinExpires "Min-Expires" 0 false;
    SessionExpires "Session-Expires" b'x' false;
    MinSe "Min-SE" 0 false;
    Supported "Supported" b'k' true;
    Require "Require" 0 true;
    ProxyRequire "Proxy-Require" 0 true;
    Unsupported "Unsupported" 0 true;
    Allow "Allow" 0 true;
    AllowEvents "Allow-Events" b'u' true;
    Accept "Accept" 0 true;
    AcceptEncoding "Accept-Encoding" 0 true;
    AcceptLanguage "Accept-Language" 0 true;
    AcceptContact "Accept-Contact" b'a' true;
    RejectContact "Reject-Contact" b'j' true;
    RequestDisposition "Request-Disposition" b'd' true;
    ContentEncoding "Content-Encoding" b'e' true;
    ContentDisposition "Content-Disposition" 0 false;
    ContentLanguage "Content-Language" 0 true;
    MimeVersion "MIME-Version" 0 false;
    RSeq "RSeq" 0 false;
    RAck "RAck" 0 false;
    Reason "Reason" 0 true;
    Replaces "Replaces" 0 false;
    ReferTo "Refer-To" b'r' false;
    ReferredBy "Referred-By" b'b' false;
    ReferSub "Refer-Sub" 0 false;
    Event "Event" b'o' false;
    SubscriptionState "Subscription-State" 0 false;
    SipEtag "SIP-ETag" 0 false;
    SipIfMatch "SIP-If-Match" 0 false;
    Subject "Subject" b's' false;
    UserAgent "User-Agent" 0 false;
    Server "Server" 0 false;
    Date "Date" 0 false;
    Timestamp "Timestamp" 0 false;
    Warning "Warning" 0 true;
    RetryAfter "Retry-After" 0 false;
    AlertInfo "Alert-Info" 0 true;
    CallInfo "Call-Info" 0 true;
    ErrorInfo "Error-Info" 0 true;
    InReplyTo "In-Reply-To" 0 true;
    Priority "Priority" 0 false;
    Organization "Organization" 0 false;
    ReplyTo "Reply-To" 0 false;
    PAssertedIdentity "P-Asserted-Identity" 0 true;
    PPreferredIdentity "P-Preferred-Identity" 0 true;
    PEarlyMedia "P-Early-Media" 0 false;
    RemotePartyId "Remote-Party-ID" 0 true;
    Privacy "Privacy" 0 false;
    Diversion "Diversion" 0 true;
    HistoryInfo "History-Info" 0 true;
    Identity "Identity" b'y' false;
    Geolocation "Geolocation" 0 true;
    GeolocationRouting "Geolocation-Routing" 0 false;
    FlowTimer "Flow-Timer" 0 false;
    Join "Join" 0 false;
    InfoPackage "Info-Package" 0 false;
    RecvInfo "Recv-Info" 0 true;
}

impl HeaderName {
    /// Reads a name: a token, long or compact.
    pub fn parse(text: &Text) -> Result<Self, Flaw> {
        Self::parse_slice(text, text.as_str())
    }

    /// Reads `part`, a piece of `whole`.
    pub(crate) fn parse_slice(whole: &Text, part: &str) -> Result<Self, Flaw> {
        if let Some(known) = Self::known(part) {
            return Ok(known);
        }
        if scan::is_token(part) { Ok(Self::Other(whole.slice_of(part))) } else { Err(Flaw::Token) }
    }

    /// A name from the program itself.
    pub fn from_static(text: &'static str) -> Self {
        Self::known(text).unwrap_or(Self::Other(Text::from_static(text)))
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a.eq_ignore_ascii_case(b),
            (Self::Other(_), _) | (_, Self::Other(_)) => false,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::parse(&Text::from(text)).unwrap()
    }

    #[test]
    fn every_known_name_reads_in_any_case() {
        for known in HeaderName::KNOWN {
            assert_eq!(name(known.as_str()), *known);
            assert_eq!(name(&known.as_str().to_ascii_uppercase()), *known);
        }
    }

    #[test]
    fn compact_forms() {
        for (short, long) in [
            ("v", HeaderName::Via),
            ("F", HeaderName::From),
            ("i", HeaderName::CallId),
            ("m", HeaderName::Contact),
            ("L", HeaderName::ContentLength),
            ("x", HeaderName::SessionExpires),
            ("k", HeaderName::Supported),
            ("o", HeaderName::Event),
            ("r", HeaderName::ReferTo),
        ] {
            assert_eq!(name(short), long);
        }
    }

    #[test]
    fn unknown_names_stay_as_written_and_compare_without_case() {
        assert_eq!(name("X-Foo").as_str(), "X-Foo");
        assert_eq!(name("X-Foo"), name("x-foo"));
        assert!(HeaderName::parse(&Text::from("a b")).is_err());
        assert!(HeaderName::parse(&Text::from("")).is_err());
        assert!(HeaderName::parse(&Text::from("\0")).is_err());
    }
}
