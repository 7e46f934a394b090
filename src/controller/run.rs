//! From settings to a controller that serves, and its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::gateway::{Figures, Gateway};
use super::rest::{Desk, DeskParts, router};
use super::settings::Settings;
use super::store::{Store, StoreError, keys};
use super::uplink::{LinkState, Uplink};
use crate::api::ApiMetrics;
use crate::config::{JournalChoice, Log, LogFormat, LogLevel};
use crate::observe::{Health, Metrics};
use crate::shell::https::{HttpsLimits, Security, serve};
use crate::shell::journal::Journal;
use crate::shell::pki::{PkiError, TlsEndpoint};
use crate::shell::signals::{Signals, Wish};

/// How long the session with the broker may take to say farewell.
const FAREWELL: Duration = Duration::from_secs(3);
/// The name in the journal, where a box has its office.
const JOURNAL_NAME: &str = "controller";

/// Why the controller did not run.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Certificates.
    #[error("{0}")]
    Pki(#[from] PkiError),
    /// The system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Runs until it is told to stop. `ready` is called with the address once it serves.
pub fn run(settings: Settings, ready: impl FnOnce(std::net::SocketAddr)) -> Result<ExitCode, Failed> {
    let log = Log { level: LogLevel::Info, format: LogFormat::Text, journal: JournalChoice::Off };
    let _journal = Journal::start(&log, false, JOURNAL_NAME, &Metrics::new(JOURNAL_NAME), Health::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(live(settings, ready));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn live(settings: Settings, ready: impl FnOnce(std::net::SocketAddr)) -> Result<(), Failed> {
    let store = Arc::new(Store::open(settings.database)?);
    match store.run(keys::key_names).await {
        Ok(names) if names.is_empty() => {
            warn!("there is no API key yet: `branchline controller key add NAME` makes one");
        }
        // It may come later than we do.
        Err(error @ StoreError::Away(_)) => warn!(reason = "store-away", "{error}"),
        known => drop(known?),
    }
    let mut endpoint = settings.tls.map(TlsEndpoint::open).transpose()?;
    let security = endpoint.as_ref().map_or(Security::Clear, |endpoint| Security::Tls(endpoint.subscribe()));
    let listener = TcpListener::bind(settings.listen).await?;
    let mut signals = Signals::install()?;
    let (stop, stopping) = watch::channel(false);
    let (link, link_seen) = watch::channel(LinkState::beginning());
    let (wake, key) = (Arc::new(Notify::new()), Arc::new(settings.key));
    let uplink = Uplink::new(settings.brokers, Arc::clone(&store), &key, link, Arc::clone(&wake));
    let uplink = tokio::spawn(uplink.run(stopping.clone()));
    let (metrics, figures) = (ApiMetrics::default(), Figures::default());
    let mut gateway = match settings.gateway {
        Some(wanted) => {
            Some(Gateway::open(wanted, Arc::clone(&store), figures.clone(), stopping.clone()).await?)
        }
        None => None,
    };
    let parts = DeskParts { store, key, link: link_seen, wake, metrics: metrics.clone(), gateway: figures };
    let desk = Desk::new(parts);
    let address = listener.local_addr()?;
    let web =
        tokio::spawn(serve(listener, security, router(desk), HttpsLimits::default(), metrics, stopping));
    info!(%address, "serving");
    ready(address);
    while signals.next().await == Wish::Reload {
        if let Some(gateway) = &mut gateway {
            gateway.reload();
        }
        if let Some(endpoint) = &mut endpoint {
            let files = endpoint.files().clone();
            match endpoint.reload(files) {
                Ok(_) => info!("certificates read again"),
                Err(error) => warn!(reason = "certificate-refused", "{error}; the former stays"),
            }
        }
    }
    info!("stopping");
    stop.send_replace(true);
    if let Some(gateway) = gateway {
        gateway.ended().await;
    }
    for task in [web, uplink] {
        if tokio::time::timeout(FAREWELL, task).await.is_err() {
            warn!("a task did not end in time");
        }
    }
    Ok(())
}
