//! The daemon's life: open everything, say READY, live by signals and questions, drain, stop.
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | starting | all is bound, loaded and started | READY | serving |
//! | starting | anything fails | say what, and what to do; exit by sysexits(3) | – |
//! | serving | SIGHUP, `reload` | configuration, certificates, revocation lists, accounts; no connection is dropped | serving |
//! | serving | SIGTERM, SIGINT | STOPPING; no new calls | draining |
//! | draining | the last call ended, or `[calls] drain-time` has passed | end what is left (BYE) | stopping |
//! | draining | a second signal | end what is left at once | stopping |
//! | stopping | calls are cleaned up, or [`CLEAN_UP`] has passed | listeners, engine, workers, store | exit 0 |
//! | serving, draining | a task ends that must not | name it | exit 70 |
//!
//! | file | what is there |
//! | --- | --- |
//! | `start` | from a configuration to a daemon that serves |
//! | `listeners` | listeners being opened |
//! | `loading` | what lies on flash |
//! | `uplink` | the uplink's tasks and their end |
//! | `roaming`, `roaming_figures` | the roaming cache, read and closed; what it holds and wrote |
//! | `sockets` | taken over from systemd, or bound |
//! | `tasks` | all tasks, owned and joined |
//! | `vitals` | status, health and metrics from memory |
//! | `pulse`, `figures` | heartbeats and figures of the engine and the workers |
//! | `mirror_files` | what Asterisk reads of our extensions |
//! | `session_key` | the key of the pages' tokens |
//! | `failure` | what failed, and the exit code |

mod failure;
mod figures;
mod listeners;
mod loading;
mod mirror_files;
mod pulse;
mod roaming;
mod roaming_figures;
mod session_key;
mod sockets;
mod start;
mod tasks;
mod uplink;
mod vitals;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, timeout};
use tracing::{error, info};

use super::control::{ControlQuery, ControlReply, ControlRequest, ControlServer};
use super::daemon::Daemon;
use super::drain::drain;
use super::engine_task::{Order, Question, link};
use super::listen::Limits;
use super::settings::engine_settings;
use super::signals::{Signals, Wish};
use super::systemd;
use crate::cli::RunOrder;
use crate::observe::Condition;
use failure::Failure;
use start::Serving;

/// Questions over the control socket that may wait.
const QUESTIONS: usize = 16;
/// How often certificates are looked at.
const LOOK_AT_CERTIFICATES: Duration = Duration::from_secs(3600);
/// How often our own certificate and revocation list are renewed where it is time, and the others read again.
const RENEW_CERTIFICATES: Duration = Duration::from_secs(12 * 3600);
/// How often systemd is told how we are.
const TELL_STATUS: Duration = Duration::from_secs(5);
/// How often the daemon's own loop shows that it turns.
const BEAT: Duration = Duration::from_millis(500);
/// How long BYEs and their answers may take.
const CLEAN_UP: Duration = Duration::from_secs(3);
/// How long tasks may take to end.
const TASKS_END: Duration = Duration::from_secs(5);

/// One thread for signalling: nearly all of it passes the engine's task, and handing each message to another
/// thread and back cost a fifth of the processor time of a call.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("shell").build()
}

/// Runs the daemon until it is told to stop. Returns the process's exit code.
pub fn run(order: RunOrder) -> ExitCode {
    sockets::make_room_for_descriptors(&order.config);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Failure::system(error)),
    };
    // First of all, so that a second daemon touches nothing of the first one's.
    let path = order.config.paths.control_socket();
    let control = match runtime.block_on(async { ControlServer::bind(&path) }) {
        Ok(control) => control,
        Err(error) => return failed(&Failure::system(format!("{}: {error}", path.display()))),
    };
    let mut daemon = match Daemon::open(order) {
        Ok(daemon) => daemon,
        Err(error) => return failed(&error.into()),
    };
    let outcome = runtime.block_on(live(&mut daemon, control));
    runtime.shutdown_timeout(Duration::from_secs(1));
    daemon.store.close();
    if let Err(failure) = &outcome {
        error!(reason = "failed", "{failure}");
    }
    drop(daemon);
    outcome.map_or_else(|failure| failed(&failure), |()| ExitCode::SUCCESS)
}

/// From binding to the end of the drain.
async fn live(daemon: &mut Daemon, control: ControlServer) -> Result<(), Failure> {
    let mut signals = Signals::install().map_err(Failure::system)?;
    sockets::raise_descriptor_limit();
    let (queries, mut asked) = mpsc::channel(QUESTIONS);
    let mut serving = start::start(daemon, &queries).await?;
    let mut stopping = serving.stop.subscribe();
    serving.tasks.start("control", async move {
        tokio::select! {
            () = control.serve(queries) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    });
    systemd::ready(&serving.board.line());
    info!("ready");
    let outcome = serve(daemon, &mut serving, &mut signals, &mut asked).await;
    serving.board.change(|view| "draining".clone_into(&mut view.state));
    systemd::stopping("draining");
    info!("stopping");
    if outcome.is_ok() {
        end_calls(daemon, &serving, &mut signals, &mut asked).await;
    }
    stop(serving).await;
    outcome
}

/// Serves until a signal asks to stop, or a task ends that must not.
async fn serve(
    daemon: &mut Daemon,
    serving: &mut Serving,
    signals: &mut Signals,
    asked: &mut mpsc::Receiver<ControlQuery>,
) -> Result<(), Failure> {
    let mut certificates = interval(LOOK_AT_CERTIFICATES);
    certificates.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut renewal = interval_at(Instant::now() + RENEW_CERTIFICATES, RENEW_CERTIFICATES);
    let (mut status, mut beat) = (interval(TELL_STATUS), interval(BEAT));
    status.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Stop => return Ok(()),
                Wish::Reload => drop(reload(daemon, serving).await),
            },
            Some(query) = asked.recv() => {
                let ends = query.request == ControlRequest::Drain;
                answer(daemon, serving, query).await;
                if ends {
                    return Ok(());
                }
            }
            _ = certificates.tick() => daemon.look_at_certificates(),
            _ = renewal.tick() => {
                daemon.renew_certificates();
                serving.revocations.reload(daemon);
            }
            _ = status.tick() => systemd::status(&serving.board.line()),
            _ = beat.tick() => serving.heartbeat.beat(),
            failure = serving.tasks.unexpected_end() => return Err(failure),
            failure = serving.engine.tasks.unexpected_end() => return Err(failure),
            failure = serving.uplink.tasks.unexpected_end() => return Err(failure),
        }
    }
}

/// Takes no new calls, waits for those that are up, ends what is left.
async fn end_calls(
    daemon: &mut Daemon,
    serving: &Serving,
    signals: &mut Signals,
    asked: &mut mpsc::Receiver<ControlQuery>,
) {
    order(serving, Order::Drain).await;
    let mut calls = serving.engine.calls.clone();
    let time = daemon.config.calls.drain_time;
    let (drained, attending) = (drain(signals, &mut calls, time), attend(daemon, serving, asked));
    tokio::select! {
        _ = drained => {}
        () = attending => {}
    }
    order(serving, Order::EndCalls).await;
    let mut overview = serving.engine.overview.clone();
    drop(timeout(CLEAN_UP, overview.wait_for(|seen| !seen.lingering)).await);
}

/// Answers questions and beats, until dropped.
async fn attend(daemon: &mut Daemon, serving: &Serving, asked: &mut mpsc::Receiver<ControlQuery>) {
    let mut beat = interval(BEAT);
    loop {
        tokio::select! {
            Some(query) = asked.recv() => answer(daemon, serving, query).await,
            _ = beat.tick() => serving.heartbeat.beat(),
        }
    }
}

/// Ends the listeners, then the engine, then the uplink and the workers.
async fn stop(serving: Serving) {
    let Serving { tasks, engine, uplink, stop, workers, watchdog, .. } = serving;
    // What is being stopped stops turning.
    drop(watchdog);
    // The listeners' tasks hold the other end.
    let _ = stop.send(true);
    tasks.finish(TASKS_END).await;
    drop(engine.orders.send(Order::Finish).await);
    engine.tasks.finish(TASKS_END).await;
    // After the engine, whose last records it still tells.
    uplink.finish(TASKS_END).await;
    let stopped = tokio::task::spawn_blocking(move || {
        workers.media.stop();
        if let Some(connectivity) = Arc::into_inner(workers.connectivity) {
            connectivity.stop();
        }
    });
    drop(stopped.await);
}

async fn order(serving: &Serving, order: Order) {
    if serving.engine.orders.send(order).await.is_err() {
        error!(reason = "engine-gone", "the engine's task has ended");
    }
}

async fn reload(daemon: &mut Daemon, serving: &Serving) -> String {
    systemd::reloading("reading the configuration");
    serving.board.change(|view| "reloading".clone_into(&mut view.state));
    let mut done = daemon.reload();
    serving.revocations.reload(daemon);
    serving.limits.send_replace(Limits::from(&daemon.config.sip.limits));
    let settings = engine_settings(&daemon.config, &serving.bound);
    order(serving, Order::Settings(Box::new(settings))).await;
    let accounts = reload_accounts(daemon, serving).await;
    done = format!("{done}; {}", accounts.unwrap_or_else(|error| error));
    info!("reloaded: {done}");
    serving.uplink.audit("reload", "done", &done);
    serving.board.change(|view| *view = daemon.status());
    systemd::ready(&serving.board.line());
    done
}

/// Puts the accounts of the store in force. Says how many there are, or why the former stay.
async fn reload_accounts(daemon: &Daemon, serving: &Serving) -> Result<String, String> {
    let accounts = match loading::accounts(daemon).await {
        Ok(accounts) => accounts,
        Err(error) => {
            error!(reason = error.as_str(), "the accounts cannot be read, the former stay: {error}");
            return Err(format!("the accounts cannot be read, the former stay: {error}"));
        }
    };
    let count = accounts.len();
    mirror_files::write(&daemon.config, &accounts, &daemon.health).await;
    serving.accounts.replace(accounts.clone());
    order(serving, Order::Accounts(accounts)).await;
    Ok(format!("{count} extensions"))
}

async fn answer(daemon: &mut Daemon, serving: &Serving, query: ControlQuery) {
    let reply = match query.request {
        ControlRequest::Status => ControlReply::Status(Box::new(serving.board.view())),
        ControlRequest::Calls => ask(serving, Question::Calls).await.map_or_else(busy, ControlReply::Calls),
        ControlRequest::Registrations => {
            ask(serving, Question::Registrations).await.map_or_else(busy, ControlReply::Registrations)
        }
        ControlRequest::Links => match ask(serving, Question::Links).await {
            Some(links) => ControlReply::Links(links.iter().map(link).collect()),
            None => busy(),
        },
        ControlRequest::Resolve(number) => resolution(serving, number).await,
        ControlRequest::Reload => {
            let words = reload(daemon, serving).await;
            let refused = [Condition::ConfigRefused, Condition::CertificateRefused];
            if refused.iter().any(|condition| daemon.health.is_raised(*condition)) {
                ControlReply::Refused(words)
            } else {
                ControlReply::Done(words)
            }
        }
        ControlRequest::Drain => {
            info!("asked to drain");
            ControlReply::Done("no new calls; the daemon ends with the last one".to_owned())
        }
        ControlRequest::ReloadAccounts => {
            reload_accounts(daemon, serving).await.map_or_else(ControlReply::Refused, ControlReply::Done)
        }
    };
    // Whoever asked may have gone.
    let _ = query.reply.send(reply);
}

async fn ask<T>(serving: &Serving, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    serving.engine.questions.try_send(question(reply)).ok()?;
    timeout(Duration::from_secs(2), answer).await.ok()?.ok()
}

async fn resolution(serving: &Serving, number: String) -> ControlReply {
    match ask(serving, |reply| Question::Resolve(number, reply)).await {
        Some(Some(found)) => ControlReply::Resolution(Box::new(found)),
        Some(None) => ControlReply::Refused("that is no number".to_owned()),
        None => busy(),
    }
}

fn busy() -> ControlReply {
    ControlReply::Refused("the engine is too busy to answer".to_owned())
}

/// 32 bytes from the system's source of chance.
fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| Failure::system("the system gives no randomness"))
}

/// The log may not be there yet, or no longer: standard error is.
fn failed(failure: &Failure) -> ExitCode {
    // Nobody is left to tell if this fails too.
    let _ = writeln!(io::stderr(), "branchline: {failure}");
    ExitCode::from(failure.code())
}
