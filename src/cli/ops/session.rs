//! The MQTT session: a thread keeps it going, and what comes waits here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter as Subscription, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{Client, Connection, ConnectionError, Event, StateError};

use super::arguments::BrokerArguments;
use super::broker;
use crate::cli::Failure;
use crate::uplink::{Filter, Topic};

/// How long the broker may take to let us in, or to acknowledge.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a lost broker is left alone.
const BACK_OFF: Duration = Duration::from_secs(1);
/// Messages that may wait here; then the thread waits, and so the broker.
const MOST_WAITING: usize = 1024;
/// Retained messages come right after the subscription: when none came for so long, there are no more.
const QUIET: Duration = Duration::from_millis(500);

/// A message on one of our topics.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: Topic,
    pub(super) payload: Vec<u8>,
    /// The broker had it before we asked.
    pub(super) retained: bool,
}

enum News {
    Connected,
    Subscribed(Result<(), String>),
    Acknowledged(Result<(), String>),
    Message(Message),
    Lost(String),
}

/// A session with the broker, subscribed to what was asked for, after every reconnection again.
pub(super) struct Session {
    client: Client,
    inbox: Receiver<News>,
    filters: Vec<Subscription>,
    waiting: VecDeque<Message>,
    broker: String,
    is_closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Connects and subscribes.
    pub(super) fn open(wish: &BrokerArguments, filters: &[Filter]) -> Result<Self, Failure> {
        let (client, connection) = Client::new(broker::options(wish)?, 16);
        let (outbox, inbox) = mpsc::sync_channel(MOST_WAITING);
        let is_closing = Arc::new(AtomicBool::new(false));
        let closing = Arc::clone(&is_closing);
        let thread = thread::Builder::new().name("mqtt".to_owned());
        let thread = thread.spawn(move || keep_going(connection, &outbox, &closing))?;
        let filters = filters.iter().map(|filter| Subscription::new(filter.to_string(), QoS::AtLeastOnce));
        let mut session = Self {
            client,
            inbox,
            filters: filters.collect(),
            waiting: VecDeque::new(),
            broker: wish.broker.clone(),
            is_closing,
            thread: Some(thread),
        };
        session.wait_for(|news| matches!(news, News::Subscribed(_)), "no answer to the subscription")?;
        Ok(session)
    }

    /// The next message before `until`; `None` when there was none. A broker that is lost is waited for, and said so on
    /// standard error.
    pub(super) fn next(&mut self, until: Option<Instant>) -> Result<Option<Message>, Failure> {
        if let Some(message) = self.waiting.pop_front() {
            return Ok(Some(message));
        }
        while let Some(news) = self.news(until)? {
            match news {
                News::Message(message) => return Ok(Some(message)),
                News::Connected => self.subscribe()?,
                News::Subscribed(outcome) => outcome.map_err(|why| self.unavailable(&why))?,
                News::Acknowledged(_) => {}
                News::Lost(why) => say(&format!("{}: {why}; trying again", self.broker)),
            }
        }
        Ok(None)
    }

    /// What the broker held when we subscribed, as it comes.
    pub(super) fn retained(&mut self, mut each: impl FnMut(Message)) -> Result<(), Failure> {
        while let Some(message) = self.next(Some(Instant::now() + QUIET))? {
            each(message);
        }
        Ok(())
    }

    /// Has the broker keep `payload` on `topic`; returns once it has it.
    pub(super) fn publish(&mut self, topic: &Topic, payload: Vec<u8>) -> Result<(), Failure> {
        let sent = self.client.publish(topic.to_string(), QoS::AtLeastOnce, topic.is_retained(), payload);
        sent.map_err(|error| self.unavailable(&error.to_string()))?;
        self.wait_for(|news| matches!(news, News::Acknowledged(_)), "no acknowledgement")
    }

    fn wait_for(&mut self, is_it: impl Fn(&News) -> bool, silence: &str) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        while let Some(news) = self.news(Some(until))? {
            if is_it(&news) {
                return match news {
                    News::Subscribed(outcome) => outcome.map_err(|why| self.unavailable(&why)),
                    News::Acknowledged(outcome) => outcome.map_err(Failure::NotAllowed),
                    _ => Ok(()),
                };
            }
            match news {
                News::Message(message) => self.waiting.push_back(message),
                News::Connected => self.subscribe()?,
                News::Lost(why) => return Err(self.unavailable(&why)),
                News::Subscribed(_) | News::Acknowledged(_) => {}
            }
        }
        Err(self.unavailable(silence))
    }

    fn news(&self, until: Option<Instant>) -> Result<Option<News>, Failure> {
        let Some(until) = until else {
            return self.inbox.recv().map(Some).map_err(|_| self.unavailable("the session has ended"));
        };
        match self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(news) => Ok(Some(news)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.unavailable("the session has ended")),
        }
    }

    fn subscribe(&self) -> Result<(), Failure> {
        let asked = self.client.subscribe_many(self.filters.clone());
        asked.map_err(|error| self.unavailable(&error.to_string()))
    }

    fn unavailable(&self, why: &str) -> Failure {
        Failure::Unavailable(format!("{}: {why}", self.broker))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.is_closing.store(true, Ordering::Relaxed);
        let _ = self.client.disconnect();
        // The thread may wait for room in the inbox: let it see that nobody reads any more.
        self.inbox = mpsc::channel().1;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads for ever, reconnecting, until the session is dropped.
fn keep_going(mut connection: Connection, outbox: &SyncSender<News>, is_closing: &AtomicBool) {
    for event in connection.iter() {
        let news = match event {
            Ok(Event::Incoming(packet)) => news_of(packet),
            Ok(Event::Outgoing(_)) => None,
            Err(error) => Some(News::Lost(words(&error))),
        };
        let is_lost = matches!(news, Some(News::Lost(_)));
        let is_heard = news.is_none_or(|news| outbox.send(news).is_ok());
        if !is_heard || (is_lost && is_closing.load(Ordering::Relaxed)) {
            return;
        }
        if is_lost {
            thread::sleep(BACK_OFF);
        }
    }
}

fn news_of(packet: Packet) -> Option<News> {
    match packet {
        Packet::ConnAck(_) => Some(News::Connected),
        Packet::SubAck(answer) => {
            let refused =
                answer.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
            let outcome =
                refused.map_or(Ok(()), |code| Err(format!("the subscription was refused: {code:?}")));
            Some(News::Subscribed(outcome))
        }
        Packet::PubAck(answer) => Some(News::Acknowledged(match answer.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
            refused => {
                Err(format!("the message was refused: {refused:?}; may our certificate write to this topic?"))
            }
        })),
        Packet::Publish(publish) => {
            let topic = std::str::from_utf8(&publish.topic).ok()?.parse().ok()?;
            let (payload, retained) = (publish.payload.to_vec(), publish.retain);
            Some(News::Message(Message { topic, payload, retained }))
        }
        _ => None,
    }
}

/// What went wrong, with what to look at.
fn words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => {
            format!("the broker refused us: {code:?}; does it let our certificate in?")
        }
        ConnectionError::MqttState(StateError::OutgoingPacketTooLarge { pkt_size, max }) => {
            format!("{pkt_size} bytes are more than the broker takes ({max})")
        }
        ConnectionError::Tls(error) => {
            format!(
                "TLS: {error}; is the broker's certificate of --ca, does it name the host, and is --cert trusted?"
            )
        }
        ConnectionError::Timeout(_) => "no connection within 5 s; is it the right host and port?".to_owned(),
        other => other.to_string(),
    }
}

/// A sentence for people.
pub(super) fn say(words: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "branchline: {words}");
}
