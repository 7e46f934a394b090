//! Event and Subscription-State (RFC 6665 §8.2).

use std::fmt;

use super::number::delta_seconds;
use super::{HeaderName, Typed};
use crate::sip::{Flaw, Params, Text, scan};

/// What a subscription is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The package: `dialog`, `message-summary`, `refer`, …
    pub package: Text,
    /// `id` and others.
    pub params: Params,
}

/// How a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated`, or an extension.
    pub state: Text,
    /// `expires`, `reason`, `retry-after`.
    pub params: Params,
}

impl Event {
    /// A package without parameters.
    pub fn new(package: &str) -> Self {
        Self { package: Text::from(package), params: Params::default() }
    }

    /// `id=`.
    pub fn id(&self) -> Option<Text> {
        self.params.get("id")
    }

    /// Whether both are about the same: package and id, case counts.
    pub fn matches(&self, other: &Self) -> bool {
        self.package == other.package && self.id() == other.id()
    }
}

impl SubscriptionState {
    /// `active;expires=…`.
    pub fn active(expires: u32) -> Self {
        let mut params = Params::default();
        params.set("expires", Some(&expires.to_string()));
        Self { state: Text::from_static("active"), params }
    }

    /// `terminated;reason=…`.
    pub fn terminated(reason: &str) -> Self {
        let mut params = Params::default();
        params.set("reason", Some(reason));
        Self { state: Text::from_static("terminated"), params }
    }

    /// Whether it has ended.
    pub fn is_terminated(&self) -> bool {
        self.state.eq_ignore_ascii_case("terminated")
    }

    /// `expires=` in seconds.
    pub fn expires(&self) -> Option<u32> {
        delta_seconds(&self.params.get("expires")?).ok()
    }

    /// `reason=`.
    pub fn reason(&self) -> Option<Text> {
        self.params.get("reason")
    }
}

impl Typed for Event {
    const NAME: HeaderName = HeaderName::Event;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        token_and_params(value).map(|(package, params)| Self { package, params })
    }
}

impl Typed for SubscriptionState {
    const NAME: HeaderName = HeaderName::SubscriptionState;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        token_and_params(value).map(|(state, params)| Self { state, params })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.package, self.params)
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.state, self.params)
    }
}

fn token_and_params(value: &Text) -> Result<(Text, Params), Flaw> {
    let at = value.find(';').unwrap_or(value.len());
    let (token, params) = value.split_at_checked(at).ok_or(Flaw::Param)?;
    let token = scan::trim(token);
    if !scan::is_token(token) {
        return Err(Flaw::Token);
    }
    Ok((value.slice_of(token), Params::parse_slice(value, params)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        let event = Event::parse(&Text::from("refer ;id=93809824")).unwrap();
        assert_eq!(event.id().unwrap(), "93809824");
        assert!(!event.matches(&Event::new("refer")));
        let state = SubscriptionState::parse(&Text::from("active;expires=600")).unwrap();
        assert_eq!(state, SubscriptionState::active(600));
        assert_eq!((state.expires(), state.is_terminated()), (Some(600), false));
        let state = SubscriptionState::terminated("noresource");
        assert_eq!(state.to_string(), "terminated;reason=noresource");
        assert!(Event::parse(&Text::from("a,b")).is_err());
    }
}
