//! What the retained messages say of each office.

use std::collections::BTreeMap;

use super::session::Message;
use crate::time::WallTime;
use crate::uplink::route_set::RouteSet;
use crate::uplink::{
    Digest, Document, Filter, HealthReport, OfficeId, Outcome, Presence, Reported, Revision, Status, Topic,
    Whose,
};

/// What an office said last.
#[derive(Debug, Default)]
pub(super) struct OfficeView {
    pub(super) status: Option<Status>,
    pub(super) health: Option<HealthReport>,
    pub(super) reported: Option<Reported>,
    pub(super) desired: Option<RouteSet>,
    /// Why the newest document of a topic could not be read.
    pub(super) unreadable: BTreeMap<Topic, String>,
}

/// All offices.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    offices: BTreeMap<OfficeId, OfficeView>,
}

impl Fleet {
    /// What to subscribe to for a view of `whose`.
    pub(super) const fn filters(whose: Whose) -> [Filter; 4] {
        [
            Filter::Status(whose),
            Filter::Health(whose),
            Filter::RoutesReported(whose),
            Filter::RoutesDesired(whose),
        ]
    }

    /// Takes a message in. Returns the office that it changed.
    pub(super) fn take(&mut self, message: &Message) -> Option<OfficeId> {
        let office = message.topic.office()?;
        let view = self.offices.entry(office).or_default();
        let read = match &message.topic {
            Topic::Status(_) => keep(&mut view.status, &message.payload, Status::read),
            Topic::Health(_) => keep(&mut view.health, &message.payload, HealthReport::read),
            Topic::RoutesReported(_) => keep(&mut view.reported, &message.payload, Reported::read),
            Topic::RoutesDesired(_) => keep(&mut view.desired, &message.payload, RouteSet::read),
            _ => return None,
        };
        match read {
            Ok(()) => view.unreadable.remove(&message.topic),
            Err(refusal) => view.unreadable.insert(message.topic.clone(), refusal.to_string()),
        };
        if view.is_empty() {
            self.offices.remove(&office);
        }
        Some(office)
    }

    pub(super) fn of(&self, office: OfficeId) -> Option<&OfficeView> {
        self.offices.get(&office)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&OfficeId, &OfficeView)> {
        self.offices.iter()
    }
}

/// An empty message means that the topic was cleared.
fn keep<T, E>(kept: &mut Option<T>, payload: &[u8], read: impl Fn(&[u8]) -> Result<T, E>) -> Result<(), E> {
    *kept = None;
    if !payload.is_empty() {
        *kept = Some(read(payload)?);
    }
    Ok(())
}

impl OfficeView {
    fn is_empty(&self) -> bool {
        self.status.is_none()
            && self.health.is_none()
            && self.reported.is_none()
            && self.desired.is_none()
            && self.unreadable.is_empty()
    }

    pub(super) fn is_online(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.state == Presence::Online)
    }

    /// When the box last said anything, by its own clock.
    pub(super) fn last_contact(&self) -> Option<WallTime> {
        let said = [
            self.status.as_ref().map(|status| status.at.0),
            self.health.as_ref().map(|health| health.at.0),
            self.reported.as_ref().map(|reported| reported.at.0),
        ];
        said.into_iter().flatten().max()
    }

    /// The digest of the set in force.
    pub(super) fn in_force(&self) -> Option<Digest> {
        self.reported.as_ref()?.in_force.as_ref()?.digest
    }

    /// The newest set: the one in force, or the one desired unless the box refused it.
    pub(super) fn newest(&self) -> Option<(Revision, Option<Digest>)> {
        let reported = self.reported.as_ref();
        let in_force = reported.and_then(|reported| Some((reported.revision()?, self.in_force())));
        let desired = self.desired.as_ref().map(|set| (set.revision(), set.digest().ok()));
        let is_refused = |digest: &Digest| {
            reported.is_some_and(|reported| reported.outcome == Outcome::Refused && reported.is_about(digest))
        };
        let desired = desired.filter(|(_, digest)| !digest.as_ref().is_some_and(is_refused));
        [in_force, desired].into_iter().flatten().max_by_key(|(revision, _)| *revision)
    }

    /// The names of what is wrong now.
    pub(super) fn raised(&self) -> Vec<&str> {
        self.health.iter().flat_map(HealthReport::raised).map(|condition| condition.name.as_str()).collect()
    }
}
