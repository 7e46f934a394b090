//! The MQTT session: a thread keeps it going, and what comes waits here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter as Subscription, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{Client, Connection, ConnectionError, Event, MqttOptions, StateError};

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

/// A session with one of the brokers, subscribed to what was asked for, after every reconnection again.
pub(super) struct Session {
    brokers: Vec<(String, MqttOptions)>,
    /// The one of `brokers` that `line` leads to.
    at: usize,
    line: Line,
    filters: Vec<Subscription>,
    waiting: VecDeque<Message>,
}

/// What leads to one broker.
struct Line {
    client: Client,
    inbox: Receiver<News>,
    is_closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Connects to the first broker that answers, and subscribes.
    pub(super) fn open(wish: &BrokerArguments, filters: &[Filter]) -> Result<Self, Failure> {
        let brokers = broker::options(wish)?;
        let Some((_, first)) = brokers.first() else {
            return Err(Failure::Usage("expected a --broker".to_owned()));
        };
        let line = Line::open(first.clone())?;
        let filters = filters.iter().map(|filter| Subscription::new(filter.to_string(), QoS::AtLeastOnce));
        let (filters, waiting) = (filters.collect(), VecDeque::new());
        let mut session = Self { brokers, at: 0, line, filters, waiting };
        if let Err(failure) = session.settle() {
            session.move_on(failure)?;
        }
        Ok(session)
    }

    /// The next message before `until`; `None` when there was none. When the broker is lost, the others are asked, and all
    /// of them again until one answers; standard error says so.
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
                News::Lost(why) => {
                    say(&format!("{}: {why}; trying again", self.broker()));
                    // A single broker is dialled again by its line.
                    if self.brokers.len() > 1
                        && let Err(failure) = self.move_on(self.unavailable(&why))
                    {
                        say(&failure.to_string());
                        thread::sleep(BACK_OFF);
                    }
                }
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

    /// Has a broker keep `payload` on `topic`; returns once one has it.
    pub(super) fn publish(&mut self, topic: &Topic, payload: &[u8]) -> Result<(), Failure> {
        match self.publish_here(topic, payload) {
            Err(failure @ Failure::Unavailable(_)) => {
                self.move_on(failure)?;
                self.publish_here(topic, payload)
            }
            other => other,
        }
    }

    fn publish_here(&mut self, topic: &Topic, payload: &[u8]) -> Result<(), Failure> {
        let (name, is_retained) = (topic.to_string(), topic.is_retained());
        let sent = self.line.client.publish(name, QoS::AtLeastOnce, is_retained, payload.to_vec());
        sent.map_err(|error| self.unavailable(&error.to_string()))?;
        self.wait_for(|news| matches!(news, News::Acknowledged(_)), "no acknowledgement")
    }

    /// Goes to the next broker that answers; `failure` of the one before is the answer when there is no other.
    fn move_on(&mut self, mut failure: Failure) -> Result<(), Failure> {
        for _ in 1..self.brokers.len() {
            self.at = (self.at + 1) % self.brokers.len();
            let Some((_, options)) = self.brokers.get(self.at) else { break };
            self.line = Line::open(options.clone())?;
            match self.settle() {
                Ok(()) => return Ok(()),
                Err(other) => failure = Failure::Unavailable(format!("{failure}; {other}")),
            }
        }
        Err(failure)
    }

    fn settle(&mut self) -> Result<(), Failure> {
        self.wait_for(|news| matches!(news, News::Subscribed(_)), "no answer to the subscription")
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
            return self.line.inbox.recv().map(Some).map_err(|_| self.unavailable("the session has ended"));
        };
        match self.line.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(news) => Ok(Some(news)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.unavailable("the session has ended")),
        }
    }

    fn subscribe(&self) -> Result<(), Failure> {
        let asked = self.line.client.subscribe_many(self.filters.clone());
        asked.map_err(|error| self.unavailable(&error.to_string()))
    }

    fn broker(&self) -> &str {
        self.brokers.get(self.at).map_or("", |(url, _)| url)
    }

    fn unavailable(&self, why: &str) -> Failure {
        Failure::Unavailable(format!("{}: {why}", self.broker()))
    }
}

impl Line {
    fn open(options: MqttOptions) -> Result<Self, Failure> {
        let (client, connection) = Client::new(options, 16);
        let (outbox, inbox) = mpsc::sync_channel(MOST_WAITING);
        let is_closing = Arc::new(AtomicBool::new(false));
        let closing = Arc::clone(&is_closing);
        let thread = thread::Builder::new().name("mqtt".to_owned());
        let thread = thread.spawn(move || keep_going(connection, &outbox, &closing))?;
        Ok(Self { client, inbox, is_closing, thread: Some(thread) })
    }
}

impl Drop for Line {
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
