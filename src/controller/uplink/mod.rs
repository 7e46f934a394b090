//! The sessions with brokers: what boxes say goes into the database, desired sets go out.
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | waiting | the database answers | connect | connecting |
//! | waiting | it does not | say why; [`BACK_OFF`] | waiting |
//! | connecting | CONNACK | subscribe | subscribing |
//! | subscribing | SUBACK, all granted | publish what waits | up |
//! | up | PUBLISH | into the database, then acknowledge | up |
//! | up | something was issued, or [`LOOK`] passed | publish what waits | up |
//! | up | [`LISTEN`] has passed | publish what this broker ought to have retained and has not | up |
//! | up | PUBACK | the set is acknowledged in the database, or the office cleared | up |
//! | any | an error, a refusal, the database is away | say why; [`BACK_OFF`], then the next broker | waiting |
//! | any | stop | DISCONNECT | – |
//!
//! The session has a name and outlives a connection by [`KEPT`]: events of a controller that is restarted wait at the
//! broker. Desired sets do not rely on that: whatever the database has as not acknowledged goes out after every connect,
//! and so does what another broker had and this one has not. A box takes a set that comes again for what it is.
//!
//! Several controllers over one database do this side by side, each with a session of its own. A set that two publish is
//! harmless. Each hears everything, because a broker keeps the order of events within a session only, and gives shared
//! subscriptions nothing that is retained; the database counts once what several of them heard. A controller without a
//! database has no business at a broker: what it misses waits there for it.
//!
//! | file | what is there |
//! | --- | --- |
//! | `session` | one connection |
//! | `due` | what is to be published, and what to be cleared |

mod due;
mod session;

use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode::SessionTakenOver;
use rumqttc::v5::{AsyncClient, ConnectionError, Event as Happening, EventLoop, MqttOptions, StateError};
use rumqttc::{TlsConfiguration, Transport};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

use session::Session;

use super::settings::BrokerSettings;
use super::store::{Store, StoreError, now, offices};
use crate::config::Broker;
use crate::shell::pki;
use crate::time::WallTime;
use crate::uplink::route_set::LONGEST_SET;
use crate::uplink::{SigningKey, TrustedKeys};

/// After an error, before the next broker is tried.
const BACK_OFF: Duration = Duration::from_secs(1);
/// How often the database is asked for sets of other processes.
const LOOK: Duration = Duration::from_secs(5);
/// How long the broker keeps what we miss.
const KEPT: u32 = 24 * 3600;
/// Publications that the broker may send before we acknowledge the first.
const INCOMING: u16 = 64;
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
        self.store.run(offices::count).await.map_err(words)?;
        let (client, event_loop) = AsyncClient::new(self.options(broker).await?, REQUESTS);
        let mut happenings = drive(event_loop);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut session = Session::new(self, client);
        loop {
            tokio::select! {
                happening = happenings.recv() => match happening {
                    Some(Ok(happening)) => session.take(happening, broker).await?,
                    Some(Err(error)) => return Err(self.why(&error)),
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

    /// Mosquitto closes without a word when another client takes our session over.
    fn why(&self, error: &ConnectionError) -> String {
        use StateError::{ConnectionAborted, ServerDisconnect};
        let own = &self.settings.client_id;
        match error {
            ConnectionError::MqttState(ServerDisconnect { reason_code: SessionTakenOver, .. }) => {
                format!("another client came as {own}: each controller needs its own client-id")
            }
            ConnectionError::MqttState(ConnectionAborted) => {
                format!("{error}; if this goes on, look for another client that comes as {own}")
            }
            error => error.to_string(),
        }
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

/// Ends when we are told to stop, or whoever would tell is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn words(error: StoreError) -> String {
    error.to_string()
}
