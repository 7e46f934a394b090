//! One session with one broker, from the name's look-up to its end.
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | connecting | CONNACK | subscribe | subscribing |
//! | subscribing | SUBACK, all granted | begin with the outbox and the retained documents; online | up |
//! | subscribing | a filter refused, or `connect-time` over | – | ended |
//! | up | PUBACK | delete the event; publish more | up |
//! | up | PUBLISH | hand it on; acknowledged by whoever took care of it | up |
//! | up | nothing acknowledged for [`PATIENCE`] while something is out | – | ended |
//! | up | told to stop | farewell as the status, DISCONNECT | ended |
//! | any | the library reports an error | – | ended, with its reason |
//!
//! Every session is a clean one with a client of its own: what must not be lost lies in the outbox, and the library loses
//! or repeats what it carries from one session to the next.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Filter, PubAck, PubAckReason, Publish, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, Incoming};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{info, warn};

use super::connect::{self, Driver};
use super::ground::Ground;
use super::outbox::Outgoing as OutgoingEvent;
use super::reason::{EndReason, classify};
use super::window::Window;
use super::{documents, stopped};
use crate::config::Broker;
use crate::uplink::{Sequence, Topic};

/// A broker that acknowledges nothing for this long is left.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often patience is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Something that a broker sent.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) topic: Topic,
    pub(super) payload: Bytes,
    client: AsyncClient,
    publish: Publish,
}

impl Arrived {
    /// It is taken care of: the broker need not send it again.
    pub(super) fn done(self) {
        // A session that is gone gets everything anew.
        let _ = self.client.try_ack(&self.publish);
    }
}

/// How a session ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) reason: EndReason,
    /// In the library's words.
    pub(super) words: String,
    /// How long it was up.
    pub(super) lived: Duration,
}

/// What was published, by packet id.
#[derive(Debug)]
enum Sent {
    Event(Sequence),
    Retained(Topic, u64),
}

/// Connects to `broker` and stays until the session ends or `stop` says so.
pub(super) async fn run(ground: &Ground, broker: &Broker, stop: &mut watch::Receiver<bool>) -> Ended {
    let (client, driver) = match connect::begin(ground, broker).await {
        Ok(begun) => begun,
        Err(words) => return Ended { reason: EndReason::OwnCertificate, words, lived: Duration::ZERO },
    };
    let mut session = Session::new(ground, broker, client, driver);
    let (reason, words) = session.live(stop).await;
    let lived = session.up_since.map_or(Duration::ZERO, |since| since.elapsed());
    if session.up_since.is_some() {
        ground.outbox.session_ended().await;
    }
    Ended { reason, words, lived }
}

/// Why a session ends, and the words for it.
type End = (EndReason, String);

struct Session<'a> {
    ground: &'a Ground,
    broker: &'a Broker,
    client: AsyncClient,
    driver: Driver,
    window: Window<Sent>,
    /// Largest packet that the broker takes.
    largest: usize,
    /// Taken from the outbox and not published yet.
    events: VecDeque<OutgoingEvent>,
    /// Whether the outbox may have more.
    more: bool,
    acknowledged: Vec<Sequence>,
    up_since: Option<Instant>,
    /// When something was acknowledged, or nothing was out.
    progress: Instant,
    leaving: bool,
    /// Whether the status says that we are gone.
    farewell: bool,
}

impl<'a> Session<'a> {
    fn new(ground: &'a Ground, broker: &'a Broker, client: AsyncClient, driver: Driver) -> Self {
        Self {
            ground,
            broker,
            client,
            driver,
            window: Window::new(None),
            largest: usize::MAX,
            events: VecDeque::new(),
            more: true,
            acknowledged: Vec::new(),
            up_since: None,
            progress: Instant::now(),
            leaving: false,
            farewell: false,
        }
    }

    async fn live(&mut self, stop: &mut watch::Receiver<bool>) -> End {
        let mut deadline = Instant::now() + self.ground.config.connect_time;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_up = self.up_since.is_some();
            tokio::select! {
                event = self.driver.events.recv() => if let Err(end) = self.heard(event).await {
                    return end;
                },
                () = self.ground.outbox.wake(), if is_up => self.more = true,
                () = self.ground.retained.wake(), if is_up => {}
                _ = look.tick() => if let Err(end) = self.look() {
                    return end;
                },
                () = stopped(stop), if !self.leaving => {
                    if !is_up {
                        return (EndReason::Stopped, String::new());
                    }
                    // What was told until now shall still go out.
                    self.ground.outbox.flush().await;
                    (self.leaving, self.more) = (true, true);
                    deadline = Instant::now() + FAREWELL;
                }
                () = sleep_until(deadline), if !is_up || self.leaving => {
                    let reason = if is_up { EndReason::Stopped } else { EndReason::ConnectTimeout };
                    return (reason, "no answer in time".to_owned());
                }
            }
            if let Err(end) = self.work().await {
                return end;
            }
        }
    }

    /// Takes what the library reports, and all that it has reported since.
    async fn heard(&mut self, first: Option<Result<Event, ConnectionError>>) -> Result<(), End> {
        let mut next = first.ok_or((EndReason::Stopped, "the MQTT library ended".to_owned())).map(Some)?;
        while let Some(event) = next {
            match event {
                Ok(Event::Incoming(packet)) => self.incoming(packet).await?,
                Ok(Event::Outgoing(Outgoing::Publish(packet))) if packet != 0 => self.window.sent(packet),
                Ok(Event::Outgoing(Outgoing::Disconnect)) => {
                    return Err((EndReason::Stopped, String::new()));
                }
                Ok(Event::Outgoing(_)) => {}
                Err(_) if self.leaving => return Err((EndReason::Stopped, String::new())),
                Err(error) => return Err((classify(&error), error.to_string())),
            }
            next = self.driver.events.try_recv().ok();
        }
        Ok(())
    }

    async fn incoming(&mut self, packet: Incoming) -> Result<(), End> {
        match packet {
            Incoming::ConnAck(answer) => self.connected(&answer),
            Incoming::SubAck(answer) => self.subscribed(&answer.return_codes).await,
            Incoming::PubAck(answer) => self.taken(&answer),
            Incoming::Publish(publish) => {
                self.arrived(publish);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn connected(&mut self, answer: &ConnAck) -> Result<(), End> {
        if let Some(properties) = &answer.properties {
            if properties.receive_max == Some(0) || properties.max_qos == Some(0) {
                return Err((EndReason::Protocol, "the broker takes no publication with QoS 1".to_owned()));
            }
            self.window = Window::new(properties.receive_max);
            self.largest = properties.max_packet_size.map_or(usize::MAX, |size| size as usize);
        }
        let filters = self.ground.filters().into_iter().map(|filter| Filter::new(filter, QoS::AtLeastOnce));
        let subscribed = self.client.try_subscribe_many(filters);
        subscribed.map_err(|error| (EndReason::SubscribeRefused, error.to_string()))
    }

    async fn subscribed(&mut self, codes: &[SubscribeReasonCode]) -> Result<(), End> {
        let filters = self.ground.filters();
        let is_granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
        if let Some(place) = codes.iter().position(|code| !is_granted(code)) {
            let filter = filters.get(place).cloned().unwrap_or_default();
            return Err((EndReason::SubscribeRefused, format!("{filter} may not be subscribed to")));
        }
        self.up_since = Some(Instant::now());
        self.progress = Instant::now();
        let status = Topic::Status(self.ground.office);
        self.ground.retained.set(status, documents::online(self.ground));
        self.ground.outbox.session_began().await;
        self.ground.retained.session_began();
        self.ground.connected(self.broker);
        info!(broker = %self.broker, "the uplink is up");
        Ok(())
    }

    fn taken(&mut self, answer: &PubAck) -> Result<(), End> {
        use PubAckReason as Reason;
        self.progress = Instant::now();
        let Some(what) = self.window.acknowledged(answer.pkid) else { return Ok(()) };
        match answer.reason {
            Reason::Success | Reason::NoMatchingSubscribers => {}
            // The same document would be refused again and hold up all others.
            Reason::PayloadFormatInvalid | Reason::TopicNameInvalid => {
                warn!(reason = EndReason::PublishRefused.as_str(), ?what, "the broker refuses a document");
                self.ground.refused_document();
            }
            other => return Err((EndReason::PublishRefused, format!("the broker answered {other:?}"))),
        }
        match what {
            Sent::Event(sequence) => self.acknowledged.push(sequence),
            Sent::Retained(topic, version) => self.ground.retained.acknowledged(&topic, version),
        }
        Ok(())
    }

    fn arrived(&mut self, publish: Publish) {
        let topic = std::str::from_utf8(&publish.topic).ok().and_then(|text| text.parse::<Topic>().ok());
        let Some(topic) = topic else {
            self.ground.metrics.dropped("uplink", "topic");
            let _ = self.client.try_ack(&publish);
            return;
        };
        if let Topic::Status(_) = &topic {
            self.contradicted(&topic, &publish);
            return;
        }
        let payload = publish.payload.clone();
        let arrived = Arrived { topic, payload, client: self.client.clone(), publish };
        self.ground.hand_on(arrived);
    }

    /// The status that stands at the broker. If it is not ours (the last will of a former session came late), ours is
    /// said again.
    fn contradicted(&mut self, topic: &Topic, publish: &Publish) {
        let is_ours = self.ground.retained.get(topic).is_some_and(|own| own == publish.payload);
        if !is_ours && !self.leaving && self.up_since.is_some() && !publish.retain {
            self.ground.retained.repeat(topic);
        }
        let _ = self.client.try_ack(publish);
    }

    fn look(&mut self) -> Result<(), End> {
        if self.window.is_empty() {
            self.progress = Instant::now();
        }
        if self.progress.elapsed() > PATIENCE {
            return Err((EndReason::NoAcknowledgement, "nothing published is acknowledged".to_owned()));
        }
        Ok(())
    }

    /// Tells the outbox what is delivered, and publishes what there is room for.
    async fn work(&mut self) -> Result<(), End> {
        if !self.acknowledged.is_empty() {
            self.ground.outbox.acknowledged(std::mem::take(&mut self.acknowledged)).await;
        }
        if self.up_since.is_none() {
            return Ok(());
        }
        self.publish_retained()?;
        if self.more && self.events.is_empty() && self.window.has_room() {
            let room = self.window.room();
            self.events.extend(self.ground.outbox.take(room).await);
            self.more = self.events.len() == room;
        }
        while self.window.has_room() {
            let Some(event) = self.events.pop_front() else { break };
            self.publish_event(&event)?;
        }
        if self.leaving && self.window.is_empty() {
            self.leave()?;
        }
        Ok(())
    }

    /// All is told: says farewell, then ends the session in such a way that the last will is not published.
    fn leave(&mut self) -> Result<(), End> {
        if self.farewell {
            let _ = self.client.try_disconnect();
            return Ok(());
        }
        self.farewell = true;
        let farewell = documents::offline(self.ground, "stopped");
        self.ground.retained.set(Topic::Status(self.ground.office), farewell);
        self.publish_retained()
    }

    fn publish_retained(&mut self) -> Result<(), End> {
        while self.window.has_room() {
            let Some(newest) = self.ground.retained.next() else { break };
            if newest.payload.len() > self.largest {
                self.ground.refused_document();
                continue;
            }
            self.publish(&newest.topic, newest.payload)?;
            self.window.queued(Sent::Retained(newest.topic, newest.version));
        }
        Ok(())
    }

    fn publish_event(&mut self, event: &OutgoingEvent) -> Result<(), End> {
        let payload = documents::event(self.ground, event);
        let fits = payload.as_ref().is_some_and(|payload| payload.len() <= self.largest.saturating_sub(256));
        let Some(payload) = payload.filter(|_| fits) else {
            // It would end every session with this broker, and hold up all others.
            warn!(reason = "event-too-large", sequence = %event.sequence, "an event cannot be published");
            self.ground.refused_document();
            self.acknowledged.push(event.sequence);
            return Ok(());
        };
        self.publish(&Topic::Events(self.ground.office), payload.into())?;
        self.window.queued(Sent::Event(event.sequence));
        Ok(())
    }

    fn publish(&self, topic: &Topic, payload: Bytes) -> Result<(), End> {
        let properties = PublishProperties {
            content_type: Some("application/json".to_owned()),
            ..PublishProperties::default()
        };
        let retain = topic.is_retained();
        let queued = self.client.try_publish_with_properties(
            topic.to_string(),
            QoS::AtLeastOnce,
            retain,
            payload,
            properties,
        );
        // The queue has room for more than the window: it is full only when the library stands still.
        queued.map_err(|_| (EndReason::NoAcknowledgement, "the MQTT library takes nothing".to_owned()))
    }
}
