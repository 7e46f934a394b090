//! One connection with a broker.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter as Subscription, PubAck, PubAckReason, Publish, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, Event as Happening, Incoming};
use tokio::time::Instant;
use tracing::{info, warn};

use super::due::{Due, Known, due};
use super::{Uplink, words};
use crate::config::Broker;
use crate::controller::collect::{self, Kept};
use crate::controller::store::desired::DesiredRow;
use crate::controller::store::{Rows, desired, now, offices};
use crate::uplink::{Filter, OfficeId, Revision, Topic, Whose};

/// Retained messages come right after the subscription.
const LISTEN: Duration = Duration::from_secs(2);
/// Messages on their way at once.
const MOST_ON_THE_WAY: usize = 16;
/// Topic and properties beside the payload.
const AROUND_A_SET: usize = 256;

/// One connection.
pub(super) struct Session<'a> {
    uplink: &'a Uplink,
    pub(super) client: AsyncClient,
    /// Given to the library, in order; it tells their packet numbers in the same order.
    given: VecDeque<Errand>,
    sent: BTreeMap<u16, Errand>,
    known: Known,
    /// The largest packet that the broker takes, in bytes.
    largest: usize,
    up_since: Option<Instant>,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
enum Errand {
    Set(OfficeId, Revision),
    Clearing(OfficeId),
}

impl<'a> Session<'a> {
    pub(super) fn new(uplink: &'a Uplink, client: AsyncClient) -> Self {
        let (given, sent, known) = (VecDeque::new(), BTreeMap::new(), Known::default());
        Self { uplink, client, given, sent, known, largest: usize::MAX, up_since: None }
    }

    pub(super) async fn take(&mut self, happening: Happening, broker: &Broker) -> Result<(), String> {
        match happening {
            Happening::Incoming(Incoming::ConnAck(answer)) => {
                let largest = answer.properties.and_then(|properties| properties.max_packet_size);
                self.largest =
                    largest.and_then(|largest| usize::try_from(largest).ok()).unwrap_or(usize::MAX);
                self.subscribe()
            }
            Happening::Incoming(Incoming::SubAck(answer)) => {
                let refused =
                    answer.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                if let Some(code) = refused {
                    return Err(format!("the subscription was refused: {code:?}"));
                }
                self.up_since = Some(Instant::now());
                info!(%broker, "connected");
                self.uplink.tell(broker, true, "");
                self.publish(broker).await
            }
            Happening::Incoming(Incoming::Publish(publish)) => self.hear(publish).await,
            Happening::Incoming(Incoming::PubAck(answer)) => self.acknowledged(&answer, broker).await,
            Happening::Outgoing(Outgoing::Publish(packet)) if packet != 0 => {
                // A repetition of what a former connection sent was not given by this session: the database has it still.
                if let Some(given) = self.given.pop_front() {
                    self.sent.insert(packet, given);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Publishes what is due, as far as there is room on the way.
    pub(super) async fn publish(&mut self, broker: &Broker) -> Result<(), String> {
        let room = MOST_ON_THE_WAY.saturating_sub(self.sent.len() + self.given.len());
        let Some(up) = self.up_since.map(|since| since.elapsed()) else { return Ok(()) };
        if room == 0 {
            return Ok(());
        }
        self.known.has_shown_all = up >= LISTEN;
        let known = self.known.clone();
        let due = self.uplink.store.run(move |rows| due(rows, &known, room));
        for one in due.await.map_err(words)? {
            match one {
                Due::Set(row) => self.publish_set(row, broker)?,
                Due::Clearing(office) => self.send(Errand::Clearing(office), Vec::new())?,
            }
        }
        Ok(())
    }

    fn subscribe(&self) -> Result<(), String> {
        let filters = [
            Filter::Status(Whose::All),
            Filter::Health(Whose::All),
            Filter::RoutesReported(Whose::All),
            Filter::RoutesDesired(Whose::All),
            Filter::Events(Whose::All),
        ];
        let filters = filters.iter().map(|one| Subscription::new(one.to_string(), QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).map_err(|error| error.to_string())
    }

    fn publish_set(&mut self, row: DesiredRow, broker: &Broker) -> Result<(), String> {
        // The library would end the session over it, and so would every one after.
        if row.document.len().saturating_add(AROUND_A_SET) > self.largest {
            let (office, length) = (row.office, row.document.len());
            self.trouble(
                broker,
                &format!("the set of {office} has {length} bytes, more than the broker takes"),
            );
            self.known.refused.insert(office, row.revision);
            return Ok(());
        }
        self.send(Errand::Set(row.office, row.revision), row.document)
    }

    fn send(&mut self, errand: Errand, payload: Vec<u8>) -> Result<(), String> {
        let topic = Topic::RoutesDesired(errand.office());
        let sent = self.client.try_publish(topic.to_string(), QoS::AtLeastOnce, topic.is_retained(), payload);
        sent.map_err(|error| error.to_string())?;
        self.given.push_back(errand);
        self.known.busy.insert(errand.office());
        Ok(())
    }

    /// Something about one set: the session goes on.
    fn trouble(&self, broker: &Broker, words: &str) {
        warn!(reason = "publish-refused", "{words}");
        self.uplink.tell(broker, true, words);
    }

    async fn acknowledged(&mut self, answer: &PubAck, broker: &Broker) -> Result<(), String> {
        let Some(errand) = self.sent.remove(&answer.pkid) else { return Ok(()) };
        let office = errand.office();
        self.known.busy.remove(&office);
        if !matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers) {
            if let Errand::Set(office, revision) = errand {
                self.known.refused.insert(office, revision);
            }
            self.trouble(broker, &format!("the broker refused the set of {office}: {:?}", answer.reason));
            return Ok(());
        }
        let done = move |rows: &Rows<'_>| match errand {
            Errand::Set(office, revision) => desired::acknowledge(rows, office, revision, now()),
            Errand::Clearing(office) => offices::cleared(rows, office, now()),
        };
        self.uplink.store.run(done).await.map_err(words)?;
        match errand {
            Errand::Set(office, revision) => {
                self.known.held.insert(office, revision);
                info!(%office, %revision, "published");
            }
            Errand::Clearing(office) => {
                self.known.held.remove(&office);
                info!(%office, "cleared");
            }
        }
        if self.known.refused.remove(&office).is_some() && self.known.refused.is_empty() {
            self.uplink.tell(broker, true, "");
        }
        self.uplink.link.send_modify(|link| link.acknowledged = link.acknowledged.wrapping_add(1));
        self.publish(broker).await
    }

    /// Takes what a box or somebody of ops said into the database, then lets the broker forget it.
    async fn hear(&mut self, publish: Publish) -> Result<(), String> {
        let topic = std::str::from_utf8(&publish.topic).ok().and_then(|topic| topic.parse().ok());
        if let Some(topic) = topic {
            let (payload, retained) = (publish.payload.clone(), publish.retain);
            let trusted = self.uplink.trusted.clone();
            let kept =
                self.uplink.store.run(move |rows| collect::keep(rows, &topic, &payload, retained, &trusted));
            match kept.await.map_err(words)? {
                Some(Kept::Set(office, revision)) => drop(self.known.held.insert(office, revision)),
                Some(Kept::Nothing(office)) => drop(self.known.held.remove(&office)),
                None => {}
            }
        }
        self.client.try_ack(&publish).map_err(|error| error.to_string())
    }
}

impl Errand {
    const fn office(&self) -> OfficeId {
        match *self {
            Self::Set(office, _) | Self::Clearing(office) => office,
        }
    }
}
