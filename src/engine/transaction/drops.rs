//! Why a message was not passed on, and how often.

/// Why the layer dropped or refused something by itself. Each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The top Via is missing or cannot be read: nothing can be answered (§18.2.1).
    NoVia,
    /// A mandatory header is missing or cannot be read: answered with 400 where a Via allows it.
    Malformed,
    /// A response whose branch is none of ours, or whose transaction has ended.
    StrayResponse,
    /// A response whose branch is ours but whose method or sent-by is not (§17.1.3, §18.1.2).
    ForeignResponse,
    /// A response that came over another connection or from another address than its request went to.
    ForeignFlow,
    /// An ACK that belongs to no transaction.
    StrayAck,
    /// An ACK for a 2xx that was acknowledged before.
    RepeatedAck,
    /// A CANCEL that belongs to no INVITE, or came from somewhere else: answered with 481.
    StrayCancel,
    /// A PRACK that acknowledges nothing outstanding: answered with 481.
    StrayPrack,
    /// A request again: absorbed, the last response sent again.
    RepeatedRequest,
    /// A response again: absorbed.
    RepeatedResponse,
    /// A reliable provisional response again, or out of order (RFC 3262 §4).
    UnorderedProvisional,
    /// A provisional response to an INVITE that was given up before it came; answered by CANCEL.
    LateProvisional,
    /// More forks answered than are kept for one INVITE.
    TooManyForks,
    /// The same request by another path: answered with 482 (§8.2.2.2).
    Merged,
    /// The table of server transactions is full: answered with 503.
    Full,
    /// The user never answered.
    NeverAnswered,
    /// A quiet transaction gave its place to a new one before its time.
    Displaced,
}

impl DropReason {
    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 18] = [
        Self::NoVia,
        Self::Malformed,
        Self::StrayResponse,
        Self::ForeignResponse,
        Self::ForeignFlow,
        Self::StrayAck,
        Self::RepeatedAck,
        Self::StrayCancel,
        Self::StrayPrack,
        Self::RepeatedRequest,
        Self::RepeatedResponse,
        Self::UnorderedProvisional,
        Self::LateProvisional,
        Self::TooManyForks,
        Self::Merged,
        Self::Full,
        Self::NeverAnswered,
        Self::Displaced,
    ];

    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoVia => "no-via",
            Self::Malformed => "malformed",
            Self::StrayResponse => "stray-response",
            Self::ForeignResponse => "foreign-response",
            Self::ForeignFlow => "foreign-flow",
            Self::StrayAck => "stray-ack",
            Self::RepeatedAck => "repeated-ack",
            Self::StrayCancel => "stray-cancel",
            Self::StrayPrack => "stray-prack",
            Self::RepeatedRequest => "repeated-request",
            Self::RepeatedResponse => "repeated-response",
            Self::UnorderedProvisional => "unordered-provisional",
            Self::LateProvisional => "late-provisional",
            Self::TooManyForks => "too-many-forks",
            Self::Merged => "merged",
            Self::Full => "full",
            Self::NeverAnswered => "never-answered",
            Self::Displaced => "displaced",
        }
    }
}

/// How often each [`DropReason`] happened since the start.
#[derive(Clone, Debug, Default)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    /// How often `reason` happened.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, self.of(reason)))
    }

    pub(super) fn count(&mut self, reason: DropReason) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_label() {
        let mut drops = Drops::default();
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            drops.count(reason);
        }
        assert!(drops.iter().all(|(_, count)| count == 1));
        let labels: std::collections::BTreeSet<_> = DropReason::ALL.map(DropReason::as_str).into();
        assert_eq!(labels.len(), DropReason::ALL.len());
    }
}
