//! The way into a session: what we ask of the broker, and the library's event loop in a task of its own.

use rumqttc::Transport;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::LastWill;
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::documents;
use super::ground::Ground;
use super::window;
use crate::config::Broker;
use crate::shell::pki;
use crate::uplink::Topic;
use crate::uplink::route_set::LONGEST_SET;

/// Publications that a broker may send us before we acknowledge the first.
pub(super) const INCOMING: u16 = 32;
/// Route sets so many times the longest are still taken, so that they can be refused with words. A broker keeps back what
/// is longer.
const MARGIN: usize = 2;
/// Requests that may wait for the library: more than the window and all acknowledgements.
const REQUESTS: usize = window::MOST as usize * 4;
/// Events of the library that may wait for the session.
const EVENTS: usize = 256;

/// Begins to connect; errs, in words, if our certificate or CA cannot be used.
pub(super) async fn begin(ground: &Ground, broker: &Broker) -> Result<(AsyncClient, Driver), String> {
    let (client, event_loop) = AsyncClient::new(options(ground, broker).await?, REQUESTS);
    Ok((client, Driver::start(event_loop)))
}

/// The event loop in a task of its own, so that it is never cancelled in the middle; the task ends with this.
pub(super) struct Driver {
    pub(super) events: mpsc::Receiver<Result<Event, ConnectionError>>,
    task: JoinHandle<()>,
}

impl Driver {
    fn start(mut event_loop: EventLoop) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let task = tokio::spawn(async move {
            loop {
                let event = event_loop.poll().await;
                let is_last = event.is_err();
                if sender.send(event).await.is_err() || is_last {
                    return;
                }
            }
        });
        Self { events, task }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn options(ground: &Ground, broker: &Broker) -> Result<MqttOptions, String> {
    let config = &ground.config;
    let mut options = MqttOptions::new(&config.client_id, &broker.host, broker.port);
    if broker.tls {
        let tls = config.tls.clone().ok_or("no CA is configured")?;
        // Files are read off the runtime, and for every session, so that renewed certificates are taken.
        let read = tokio::task::spawn_blocking(move || pki::client_config(&tls.ca, tls.own.as_ref())).await;
        let tls = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        options.set_transport(Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(tls)));
    }
    let largest = LONGEST_SET.saturating_mul(MARGIN);
    options
        .set_keep_alive(config.keep_alive)
        .set_connection_timeout(config.connect_time.as_secs().max(1))
        .set_clean_start(true)
        .set_manual_acks(true)
        .set_outgoing_inflight_upper_limit(window::MOST)
        .set_receive_maximum(Some(INCOMING))
        .set_max_packet_size(Some(u32::try_from(largest).unwrap_or(u32::MAX)));
    let status = Topic::Status(ground.office);
    let will = documents::offline(ground, "lost");
    options.set_last_will(LastWill::new(status.to_string(), will, QoS::AtLeastOnce, true, None));
    Ok(options)
}
