//! The daemon's life: open everything, say READY, live by signals and questions, drain, stop.

use std::future::ready;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::control::{ControlQuery, ControlReply, ControlRequest, ControlServer, RegistrationView};
use super::daemon::Daemon;
use super::https::{HttpsLimits, Security, serve};
use super::signals::{Signals, Wish};
use super::store::BindingRow;
use super::systemd::{self, Heartbeat, Watchdog};
use crate::api::ApiMetrics;
use crate::cli::RunOrder;
use crate::observe::{Condition, Metrics};

/// sysexits(3): the configuration is bad.
const BAD_CONFIG: u8 = 78;
/// sysexits(3): the system refuses us something.
const SYSTEM_FAILED: u8 = 71;
/// Questions over the control socket that may wait.
const QUESTIONS: usize = 16;
/// How often this loop shows that it turns.
const BEAT: Duration = Duration::from_millis(500);
/// How often certificates are looked at.
const LOOK_AT_CERTIFICATES: Duration = Duration::from_secs(3600);

/// Runs the daemon until it is told to stop. Returns the process's exit code.
pub fn run(order: RunOrder) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("shell").build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(SYSTEM_FAILED, &error.to_string()),
    };
    // First of all, so that a second daemon touches nothing of the first one's.
    let control = runtime.block_on(async { ControlServer::bind(&order.config.paths.control_socket()) });
    let control = match control {
        Ok(control) => control,
        Err(error) => return failed(SYSTEM_FAILED, &format!("the control socket: {error}")),
    };
    let mut daemon = match Daemon::open(order) {
        Ok(daemon) => daemon,
        Err(error) => return failed(BAD_CONFIG, &error.to_string()),
    };
    let outcome = runtime.block_on(live(&mut daemon, control));
    runtime.shutdown_timeout(Duration::from_secs(1));
    daemon.store.close();
    if let Err(error) = &outcome {
        error!(reason = "start-failed", "{error}");
    }
    drop(daemon);
    outcome.map_or_else(|error| failed(SYSTEM_FAILED, &error.to_string()), |()| ExitCode::SUCCESS)
}

/// From binding to the end of the drain.
async fn live(daemon: &mut Daemon, control: ControlServer) -> io::Result<()> {
    let mut signals = Signals::install()?;
    let (shutdown, stopped) = watch::channel(false);
    let (questions, mut asked) = mpsc::channel(QUESTIONS);
    let control = tokio::spawn(control.serve(questions));
    serve_metrics(daemon, stopped).await;
    let turning = Heartbeat::default();
    let watchdog = Watchdog::start(vec![(Condition::ShellStalled, turning.clone())], daemon.health.clone());

    systemd::ready(&status_line(daemon));
    info!("ready");
    let (mut certificates, mut beat) = (interval(LOOK_AT_CERTIFICATES), interval(BEAT));
    certificates.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Stop => break,
                Wish::Reload => drop(reload(daemon)),
            },
            Some(question) = asked.recv() => answer(daemon, question).await,
            _ = certificates.tick() => daemon.look_at_certificates(),
            _ = beat.tick() => turning.beat(),
        }
    }
    systemd::stopping("stopping");
    info!("stopping");
    let _ = shutdown.send(true);
    drop(watchdog);
    control.abort();
    let _ = control.await;
    Ok(())
}

fn reload(daemon: &mut Daemon) -> String {
    systemd::reloading("reading the configuration");
    let done = daemon.reload();
    info!("reloaded: {done}");
    systemd::ready(&status_line(daemon));
    done
}

async fn answer(daemon: &mut Daemon, question: ControlQuery) {
    let reply = match question.request {
        ControlRequest::Status => ControlReply::Status(Box::new(daemon.status())),
        ControlRequest::Calls => ControlReply::Calls(Vec::new()),
        ControlRequest::Registrations => registrations(daemon).await,
        ControlRequest::Reload => {
            let words = reload(daemon);
            let refused = [Condition::ConfigRefused, Condition::CertificateRefused];
            if refused.iter().any(|condition| daemon.health.is_raised(*condition)) {
                ControlReply::Refused(words)
            } else {
                ControlReply::Done(words)
            }
        }
        ControlRequest::ReloadAccounts => match daemon.store.accounts().await {
            Ok(accounts) => ControlReply::Done(format!("{} extensions", accounts.len())),
            Err(error) => ControlReply::Refused(error.to_string()),
        },
    };
    let _ = question.reply.send(reply);
}

async fn registrations(daemon: &Daemon) -> ControlReply {
    let view = |row: BindingRow| RegistrationView {
        extension: row.extension,
        transport: row.flow.transport,
        remote: row.flow.remote,
        contact: row.contact,
        user_agent: row.user_agent,
        expires_ms: row.expires.0,
        since_ms: row.created.0,
    };
    match daemon.store.bindings().await {
        Ok(rows) => ControlReply::Registrations(rows.into_iter().map(view).collect()),
        Err(error) => ControlReply::Refused(error.to_string()),
    }
}

fn status_line(daemon: &Daemon) -> String {
    let wrong = daemon.health.snapshot().into_iter().filter(|report| report.raised);
    let wrong: Vec<&str> = wrong.map(|report| report.name).collect();
    let health = if wrong.is_empty() { "ok".to_owned() } else { wrong.join(", ") };
    format!("{}: {health}", daemon.config.office.id)
}

/// Serves `GET /metrics` by plain HTTP where configured. A port that is taken is a condition, not the end.
async fn serve_metrics(daemon: &Daemon, stopped: watch::Receiver<bool>) {
    let Some(wanted) = &daemon.config.metrics else { return };
    let listener = match TcpListener::bind(wanted.address).await {
        Ok(listener) => listener,
        Err(error) => {
            let words = format!("cannot listen on {} for metrics: {error}", wanted.address);
            daemon.health.raise(Condition::ListenerFailed, &words);
            warn!(reason = "listener-failed", "{words}");
            return;
        }
    };
    let metrics = daemon.metrics.clone();
    let router = Router::new().route("/metrics", get(move || ready(exposition(&metrics))));
    let counted = ApiMetrics::default();
    tokio::spawn(serve(listener, Security::Clear, router, HttpsLimits::default(), counted, stopped));
}

fn exposition(metrics: &Metrics) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The log may not be there yet, or no longer: standard error is.
fn failed(code: u8, why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "branchline: {why}");
    ExitCode::from(code)
}
