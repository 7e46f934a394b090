//! Requests of ops: `cmd/{kind}/{id}`.
//!
//! | kind | what is done | successful means |
//! | --- | --- | --- |
//! | `reload` | as `systemctl reload` | all was read; a refused part is a failure |
//! | `diagnose` | nothing | `result` has the status, as `branchline status --json` prints it |
//! | `update` | the program that `[uplink] update-program` names | it said so by its exit status, or the daemon that started next has another version |
//! | `drain` | as `systemctl stop`: no new calls, wait for the last, end | the daemon that systemd started next says so |
//!
//! A request is carried out once, though it may arrive again. One that an ended daemon left in `executing` has failed,
//! but for `drain`, which asks for that end, and for an `update` after which the version is another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::{info, warn};

use super::documents;
use super::events::EventDesk;
use super::ground::SharedGround;
use super::update;
use crate::shell::control::{ControlQuery, ControlReply, ControlRequest};
use crate::uplink::{CommandDocument, CommandId, CommandKind, CommandState, Document, Topic, Unknown, V1};

/// Requests remembered, so that none is carried out twice.
const REMEMBERED: usize = 256;
/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Names the run of the daemon that carries a request out.
const BOOT: &str = "boot";
/// The version of the daemon that does.
const VERSION: &str = "version";
/// Ours.
const VERSION_NOW: &str = env!("CARGO_PKG_VERSION");
/// What came out.
const RESULT: &str = "result";

/// Carries out requests, one after another; an `update` beside the others, for it takes long.
pub(super) struct Commands {
    answers: Answers,
    queries: mpsc::Sender<ControlQuery>,
    done: VecDeque<(CommandKind, CommandId)>,
    /// Held while an update is under way.
    updating: Arc<Semaphore>,
}

/// Answers requests.
#[derive(Clone)]
struct Answers {
    ground: SharedGround,
    desk: EventDesk,
}

impl Commands {
    pub(super) fn new(ground: SharedGround, queries: mpsc::Sender<ControlQuery>, desk: EventDesk) -> Self {
        let updating = Arc::new(Semaphore::new(1));
        Self { answers: Answers { ground, desk }, queries, done: VecDeque::new(), updating }
    }

    /// What stands on a request's topic now. Nothing when its requester cleared it.
    pub(super) async fn arrived(&mut self, kind: &CommandKind, id: &CommandId, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        let document = match CommandDocument::read(payload) {
            Ok(document) => document,
            Err(refusal) => {
                let (v, at, reason) = (V1, documents::now(), Some(refusal.to_string()));
                let status = CommandState::Failed;
                self.answers.publish(
                    kind,
                    id,
                    &CommandDocument { v, status, at, reason, unknown: Unknown::new() },
                );
                return;
            }
        };
        match document.status {
            CommandState::Init if self.remember(kind, id) => self.carry_out(kind, id, document).await,
            CommandState::Executing if !self.answers.is_ours(&document) => {
                self.answers.after_a_restart(kind, id, &document);
            }
            _ => {}
        }
    }

    async fn carry_out(&self, kind: &CommandKind, id: &CommandId, document: CommandDocument) {
        let request = match kind.as_str() {
            "reload" => ControlRequest::Reload,
            "diagnose" => ControlRequest::Status,
            "drain" => ControlRequest::Drain,
            "update" => return self.update(kind, id, &document),
            _ => {
                let unknown = Err("this software does not know it".to_owned());
                return self.answers.finish(kind, id, &document, unknown);
            }
        };
        let Some(executing) = self.answers.begin(kind, id, &document) else { return };
        let is_drain = request == ControlRequest::Drain;
        let outcome = self.ask(request).await;
        if !is_drain || outcome.is_err() {
            self.answers.finish(kind, id, &executing, outcome);
        }
    }

    /// Has the box updated, if there is a program for it.
    fn update(&self, kind: &CommandKind, id: &CommandId, document: &CommandDocument) {
        let answers = &self.answers;
        let Some(program) = answers.ground.config.update_program.clone() else {
            let reason = "no program for updates is configured: [uplink] update-program".to_owned();
            return answers.finish(kind, id, document, Err(reason));
        };
        let Ok(permit) = Arc::clone(&self.updating).try_acquire_owned() else {
            return answers.finish(kind, id, document, Err("another update is under way".to_owned()));
        };
        let Some(executing) = answers.begin(kind, id, document) else { return };
        let (answers, kind, id, asked) = (answers.clone(), kind.clone(), id.clone(), document.write());
        tokio::task::spawn_blocking(move || {
            let outcome = update::run(&program, &asked);
            answers.finish(&kind, &id, &executing, outcome);
            drop(permit);
        });
    }

    async fn ask(&self, request: ControlRequest) -> Result<Value, String> {
        let (reply, answer) = oneshot::channel();
        let asked = self.queries.try_send(ControlQuery { request, reply });
        asked.map_err(|_| "the daemon is too busy".to_owned())?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(ControlReply::Done(words))) => Ok(words.into()),
            Ok(Ok(ControlReply::Status(status))) => Ok(serde_json::to_value(status).unwrap_or_default()),
            Ok(Ok(ControlReply::Refused(words))) => Err(words),
            Ok(
                Ok(
                    ControlReply::Calls(_)
                    | ControlReply::Registrations(_)
                    | ControlReply::Links(_)
                    | ControlReply::Resolution(_),
                )
                | Err(_),
            )
            | Err(_) => Err("the daemon did not answer in time".to_owned()),
        }
    }

    /// Whether it is the first time.
    fn remember(&mut self, kind: &CommandKind, id: &CommandId) -> bool {
        if self.done.iter().any(|(known, its)| known == kind && its == id) {
            return false;
        }
        if self.done.len() >= REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back((kind.clone(), id.clone()));
        true
    }
}

impl Answers {
    /// Says that a request is being carried out.
    fn begin(
        &self,
        kind: &CommandKind,
        id: &CommandId,
        document: &CommandDocument,
    ) -> Option<CommandDocument> {
        let mut executing = document.advanced(CommandState::Executing, documents::now(), None)?;
        executing.unknown.insert(BOOT.to_owned(), self.ground.boot.clone().into());
        executing.unknown.insert(VERSION.to_owned(), VERSION_NOW.into());
        self.publish(kind, id, &executing);
        info!(%kind, %id, "a command of ops");
        Some(executing)
    }

    fn after_a_restart(&self, kind: &CommandKind, id: &CommandId, document: &CommandDocument) {
        let outcome = match kind.as_str() {
            "drain" => Ok("the daemon was drained and started anew".into()),
            "update" if was_version(document).is_some_and(|was| was != VERSION_NOW) => {
                Ok(json!({ "version": VERSION_NOW }))
            }
            _ => Err("the daemon ended while it carried this out".to_owned()),
        };
        self.finish(kind, id, document, outcome);
    }

    fn finish(
        &self,
        kind: &CommandKind,
        id: &CommandId,
        document: &CommandDocument,
        outcome: Result<Value, String>,
    ) {
        let (state, result, reason) = match outcome {
            Ok(result) => (CommandState::Successful, Some(result), None),
            Err(reason) => (CommandState::Failed, None, Some(reason)),
        };
        if let Some(reason) = &reason {
            warn!(%kind, %id, reason = "command-failed", "a command of ops failed: {reason}");
        }
        let more = json!({ "kind": kind.as_str(), "id": id.as_str(), "reason": reason });
        self.desk.audit("command", state.as_str(), more);
        let Some(mut finished) = document.advanced(state, documents::now(), reason) else { return };
        finished.unknown.extend(result.map(|result| (RESULT.to_owned(), result)));
        self.publish(kind, id, &finished);
    }

    fn publish(&self, kind: &CommandKind, id: &CommandId, document: &CommandDocument) {
        let topic = Topic::Command { office: self.ground.office, kind: kind.clone(), id: id.clone() };
        if !self.ground.retained.set_once(topic, document.write()) {
            self.ground.metrics.dropped("uplink", "retained-full");
        }
    }

    fn is_ours(&self, document: &CommandDocument) -> bool {
        document.unknown.get(BOOT).and_then(Value::as_str) == Some(self.ground.boot.as_str())
    }
}

/// The version of the daemon that began to carry a request out.
fn was_version(document: &CommandDocument) -> Option<&str> {
    document.unknown.get(VERSION).and_then(Value::as_str)
}
