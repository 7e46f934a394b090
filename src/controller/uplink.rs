//! The sessions with brokers: what boxes say goes into the database, desired sets go out.
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | connecting | CONNACK | subscribe | subscribing |
//! | subscribing | SUBACK, all granted | publish what waits | up |
//! | up | PUBLISH | into the database, then acknowledge | up |
//! | up | something was issued, or [`LOOK`] passed | publish what waits | up |
//! | up | [`LISTEN`] has passed | publish what this broker ought to have retained and has not | up |
//! | up | PUBACK | the set is acknowledged in the database | up |
//! | any | an error, a refusal | say why; [`BACK_OFF`], then the next broker | connecting |
//! | any | stop | DISCONNECT | – |
//!
//! The session has a name and outlives a connection by [`KEPT`]: events of a controller that is restarted wait at the
//! broker. Desired sets do not rely on that: whatever the database has as not acknowledged goes out after every connect,
//! and so does what another broker had and this one has not. A box takes a set that comes again for what it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter as Subscription, PubAck, PubAckReason, Publish, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event as Happening, EventLoop, Incoming, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::collect;
use super::settings::BrokerSettings;
use super::store::desired::{self, DesiredRow};
use super::store::{Store, StoreError, now};
use crate::config::Broker;
use crate::shell::pki;
use crate::time::WallTime;
use crate::uplink::route_set::LONGEST_SET;
use crate::uplink::{Filter, OfficeId, Revision, SigningKey, Topic, TrustedKeys, Whose};

/// After an error, before the next broker is tried.
const BACK_OFF: Duration = Duration::from_secs(1);
/// How often the database is asked for sets of other processes.
const LOOK: Duration = Duration::from_secs(5);
/// Retained messages come right after the subscription.
const LISTEN: Duration = Duration::from_secs(2);
/// How long the broker keeps what we miss.
const KEPT: u32 = 24 * 3600;
/// Sets on their way at once.
const MOST_ON_THE_WAY: usize = 16;
/// Publications that the broker may send before we acknowledge the first.
const INCOMING: u16 = 64;
/// Topic and properties beside the payload.
const AROUND_A_SET: usize = 256;
const REQUESTS: usize = 256;
const HAPPENINGS: usize = 64;
const FAREWELL: Duration = Duration::from_millis(500);

/// How it stands with the brokers, for the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkState {
    pub(super) is_up: bool,
    /// The broker of the session, or the one last tried.
    pub(super) broker: String,
    pub(super) since: WallTime,
    /// Why there is no session, or what a broker refused.
    pub(super) trouble: String,
    /// Changes with every acknowledged set.
    pub(super) acknowledged: u64,
}

impl LinkState {
    pub(super) fn beginning() -> Self {
        let trouble = "connecting".to_owned();
        Self { is_up: false, broker: String::new(), since: now(), trouble, acknowledged: 0 }
    }
}

/// Keeps a session with one of the brokers.
pub(super) struct Uplink {
    settings: BrokerSettings,
    store: Arc<Store>,
    /// Our own key: what it signed is ours, whoever published it.
    trusted: TrustedKeys,
    link: watch::Sender<LinkState>,
    wake: Arc<Notify>,
}

/// One connection.
struct Session<'a> {
    uplink: &'a Uplink,
    client: AsyncClient,
    /// Given to the library, in order; it tells their packet numbers in the same order.
    given: VecDeque<(OfficeId, Revision)>,
    sent: BTreeMap<u16, (OfficeId, Revision)>,
    /// Offices with a set on its way.
    busy: BTreeSet<OfficeId>,
    /// Sets that this broker would not have; it is asked again after the next connection.
    refused: BTreeMap<OfficeId, Revision>,
    /// The revisions of the sets that this broker has retained, as far as we signed them.
    held: BTreeMap<OfficeId, Revision>,
    /// The largest packet that the broker takes, in bytes.
    largest: usize,
    up_since: Option<Instant>,
}

impl Uplink {
    pub(super) fn new(
        settings: BrokerSettings,
        store: Arc<Store>,
        key: &SigningKey,
        link: watch::Sender<LinkState>,
        wake: Arc<Notify>,
    ) -> Self {
        let mut trusted = TrustedKeys::new();
        // Sixteen fit, and this is the first.
        let _ = trusted.trust(key.id().clone(), key.public());
        Self { settings, store, trusted, link, wake }
    }

    /// Lives until `stop` turns true.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        for broker in self.settings.brokers.iter().cycle() {
            let end = self.session(broker, &mut stop).await;
            let Err(trouble) = end else { return };
            warn!(reason = "uplink-down", broker = %broker, "{trouble}");
            self.tell(broker, false, &trouble);
            if timeout(BACK_OFF, stopped(&mut stop)).await.is_ok() {
                return;
            }
        }
    }

    /// One session; `Ok` when it was told to stop.
    async fn session(&self, broker: &Broker, stop: &mut watch::Receiver<bool>) -> Result<(), String> {
        let (client, event_loop) = AsyncClient::new(self.options(broker).await?, REQUESTS);
        let mut happenings = drive(event_loop);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut session = Session {
            uplink: self,
            client,
            given: VecDeque::new(),
            sent: BTreeMap::new(),
            busy: BTreeSet::new(),
            refused: BTreeMap::new(),
            held: BTreeMap::new(),
            largest: usize::MAX,
            up_since: None,
        };
        loop {
            tokio::select! {
                happening = happenings.recv() => match happening {
                    Some(Ok(happening)) => session.take(happening, broker).await?,
                    Some(Err(error)) => return Err(error.to_string()),
                    None => return Err("the MQTT library ended".to_owned()),
                },
                () = self.wake.notified() => session.publish(broker).await?,
                _ = look.tick() => session.publish(broker).await?,
                () = stopped(stop) => {
                    let _ = session.client.try_disconnect();
                    let farewell = async { while happenings.recv().await.is_some_and(|one| one.is_ok()) {} };
                    let _ = timeout(FAREWELL, farewell).await;
                    return Ok(());
                }
            }
        }
    }

    async fn options(&self, broker: &Broker) -> Result<MqttOptions, String> {
        let mut options = MqttOptions::new(&self.settings.client_id, &broker.host, broker.port);
        if broker.tls {
            let tls = self.settings.tls.clone().ok_or("no CA is configured")?;
            // Read for every session, so that renewed certificates are taken.
            let read = tokio::task::spawn_blocking(move || pki::client_config(&tls.ca, tls.own.as_ref()));
            let tls = read.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
        }
        options
            .set_keep_alive(Duration::from_secs(15))
            .set_connection_timeout(5)
            .set_clean_start(false)
            .set_session_expiry_interval(Some(KEPT))
            .set_manual_acks(true)
            .set_receive_maximum(Some(INCOMING))
            .set_max_packet_size(Some(u32::try_from(LONGEST_SET * 2).unwrap_or(u32::MAX)));
        Ok(options)
    }

    fn tell(&self, broker: &Broker, is_up: bool, trouble: &str) {
        self.link.send_if_modified(|link| {
            let was = (link.is_up, link.broker.clone(), link.trouble.clone());
            if link.is_up != is_up {
                link.since = now();
            }
            (link.is_up, link.broker, link.trouble) = (is_up, broker.to_string(), trouble.to_owned());
            was != (link.is_up, link.broker.clone(), link.trouble.clone())
        });
    }
}

/// The library's event loop in a task of its own, so that it is never cancelled in the middle.
fn drive(mut event_loop: EventLoop) -> mpsc::Receiver<Result<Happening, ConnectionError>> {
    let (sender, happenings) = mpsc::channel(HAPPENINGS);
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                next = event_loop.poll() => next,
                () = sender.closed() => return,
            };
            let is_last = next.is_err();
            if sender.send(next).await.is_err() || is_last {
                return;
            }
        }
    });
    happenings
}

impl Session<'_> {
    async fn take(&mut self, happening: Happening, broker: &Broker) -> Result<(), String> {
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

    /// Publishes what waits, then what this broker lacks, as far as there is room on the way.
    async fn publish(&mut self, broker: &Broker) -> Result<(), String> {
        let room = MOST_ON_THE_WAY.saturating_sub(self.sent.len() + self.given.len());
        let Some(up) = self.up_since.map(|since| since.elapsed()) else { return Ok(()) };
        if room == 0 {
            return Ok(());
        }
        let held = (up >= LISTEN).then(|| self.held.clone());
        let (busy, refused) = (self.busy.clone(), self.refused.clone());
        let may_go = move |office: OfficeId, revision: Revision| {
            !busy.contains(&office) && refused.get(&office) != Some(&revision)
        };
        let due = self.uplink.store.run(move |rows| due(rows, may_go, held.as_ref(), room));
        for row in due.await.map_err(words)? {
            // The library would end the session over it, and so would every one after.
            if row.document.len().saturating_add(AROUND_A_SET) > self.largest {
                let (office, length) = (row.office, row.document.len());
                self.trouble(
                    broker,
                    &format!("the set of {office} has {length} bytes, more than the broker takes"),
                );
                self.refused.insert(office, row.revision);
                continue;
            }
            let topic = Topic::RoutesDesired(row.office);
            let sent = self.client.try_publish(
                topic.to_string(),
                QoS::AtLeastOnce,
                topic.is_retained(),
                row.document,
            );
            sent.map_err(|error| error.to_string())?;
            self.given.push_back((row.office, row.revision));
            self.busy.insert(row.office);
        }
        Ok(())
    }

    /// Something about one set: the session goes on.
    fn trouble(&self, broker: &Broker, words: &str) {
        warn!(reason = "publish-refused", "{words}");
        self.uplink.tell(broker, true, words);
    }

    async fn acknowledged(&mut self, answer: &PubAck, broker: &Broker) -> Result<(), String> {
        let Some((office, revision)) = self.sent.remove(&answer.pkid) else { return Ok(()) };
        self.busy.remove(&office);
        if !matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers) {
            self.refused.insert(office, revision);
            self.trouble(broker, &format!("the broker refused the set of {office}: {:?}", answer.reason));
            return Ok(());
        }
        let done =
            move |rows: &rusqlite::Transaction<'_>| desired::acknowledge(rows, office, revision, now());
        self.uplink.store.run(done).await.map_err(words)?;
        self.held.insert(office, revision);
        if self.refused.remove(&office).is_some() && self.refused.is_empty() {
            self.uplink.tell(broker, true, "");
        }
        self.uplink.link.send_modify(|link| link.acknowledged = link.acknowledged.wrapping_add(1));
        info!(%office, %revision, "published");
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
            if let Some((office, revision)) = kept.await.map_err(words)? {
                self.held.insert(office, revision);
            }
        }
        self.client.try_ack(&publish).map_err(|error| error.to_string())
    }
}

/// Ends when we are told to stop, or whoever would tell is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn words(error: StoreError) -> String {
    error.to_string()
}

/// The sets to be published now, at most `most`: those that wait, and those that `held`, what the broker has, lacks.
fn due(
    rows: &rusqlite::Connection,
    may_go: impl Fn(OfficeId, Revision) -> bool,
    held: Option<&BTreeMap<OfficeId, Revision>>,
    most: usize,
) -> Result<Vec<DesiredRow>, StoreError> {
    let mut due = desired::waiting(rows)?;
    if let Some(held) = held {
        let lacking = desired::published(rows)?.into_iter();
        due.extend(lacking.filter(|(office, revision)| held.get(office).is_none_or(|held| held < revision)));
    }
    let sets = due.into_iter().filter(|(office, revision)| may_go(*office, *revision)).take(most);
    let sets = sets.map(|(office, _)| desired::newest(rows, office)).collect::<Result<Vec<_>, _>>()?;
    Ok(sets.into_iter().flatten().collect())
}
