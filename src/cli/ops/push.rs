//! `branchline ops push`, and sending as all commands do it: publish, then wait for what the boxes report.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::arguments::{BrokerArguments, Push};
use super::fleet::{Fleet, OfficeView};
use super::session::Session;
use super::sets::Archive;
use super::{keys, sets};
use crate::cli::{Failure, table};
use crate::uplink::route_set::RouteSet;
use crate::uplink::{
    Because, Digest, Filter, Moment, OfficeId, Outcome, Refusal, Reported, Revision, Topic, Whose,
};

/// With more offices than this, one subscription for all is asked for instead of one for each.
const FEW: usize = 8;

/// What became of a set that was sent.
#[derive(Debug)]
pub(super) struct Pushed {
    pub(super) office: OfficeId,
    pub(super) revision: Revision,
    pub(super) digest: Digest,
    pub(super) outcome: PushOutcome,
}

#[derive(Debug)]
pub(super) enum PushOutcome {
    /// It is in force; until then a fall of health takes it back.
    Applied(Option<Moment>),
    Refused(Because),
    RolledBack(Because),
    /// Nothing came; what to look at.
    Silent(String),
}

/// Sends sets and knows what the boxes say.
pub(super) struct Sender {
    pub(super) session: Session,
    pub(super) fleet: Fleet,
    archive: Archive,
}

pub(super) fn push(wish: &Push, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let key = keys::signing_key(&wish.signing)?;
    let sets = sets::read_all(&wish.files, key.as_ref())?;
    let offices: Vec<OfficeId> = sets.iter().map(RouteSet::office).collect();
    let mut sender = Sender::open(&wish.broker, &offices, Archive::open(&wish.state)?)?;
    if !wish.force {
        sender.check_revisions(&sets)?;
    }
    let pushed = sender.send(&sets, wish.timeout)?;
    print(&pushed, json, out)?;
    judge(&pushed)
}

impl Sender {
    pub(super) fn open(
        broker: &BrokerArguments,
        offices: &[OfficeId],
        archive: Archive,
    ) -> Result<Self, Failure> {
        let filters: Vec<Filter> = if offices.len() > FEW {
            Fleet::filters(Whose::All).to_vec()
        } else {
            offices.iter().flat_map(|office| Fleet::filters(Whose::Office(*office))).collect()
        };
        let (mut session, mut fleet) = (Session::open(broker, &filters)?, Fleet::default());
        session.retained(|message| _ = fleet.take(&message))?;
        Ok(Self { session, fleet, archive })
    }

    /// Sees that none of `sets` would take the place of a newer one.
    pub(super) fn check_revisions(&self, sets: &[RouteSet]) -> Result<(), Failure> {
        for set in sets {
            let newest = self.fleet.of(set.office()).and_then(OfficeView::newest);
            if let Some((revision, digest)) = newest
                && revision >= set.revision()
                && digest != set.digest().ok()
            {
                let words = format!(
                    "revision {revision} is there already; expected a higher one than {}",
                    set.revision()
                );
                return Err(Failure::BadInput(format!("{}: {words}", set.office())));
            }
        }
        Ok(())
    }

    /// Sends `sets`, one for each office, and waits at most `patience` for all their boxes.
    pub(super) fn send(&mut self, sets: &[RouteSet], patience: Duration) -> Result<Vec<Pushed>, Failure> {
        let (mut open, mut done) = (BTreeMap::new(), Vec::new());
        for set in sets {
            let view = self.fleet.of(set.office());
            let before = view.and_then(|view| view.reported.clone());
            let sent = Sent { revision: set.revision(), digest: digest(set)?, before };
            // What is in force already is applied: a box need not say it again.
            if view.and_then(OfficeView::in_force) == Some(sent.digest) {
                done.push(sent.into(set.office(), PushOutcome::Applied(None)));
            } else {
                open.insert(set.office(), sent);
            }
            self.archive.keep(set)?;
            self.session.publish(&Topic::RoutesDesired(set.office()), &set.write())?;
        }
        self.hear(open, patience, &mut done)?;
        for bad in done.iter().filter(|pushed| pushed.is_bad()) {
            self.archive.set_aside(bad.office, bad.revision);
        }
        done.sort_by_key(|pushed| pushed.office);
        Ok(done)
    }

    /// Hears what the boxes of `open` say; after `patience` the rest is silent.
    fn hear(
        &mut self,
        mut open: BTreeMap<OfficeId, Sent>,
        patience: Duration,
        done: &mut Vec<Pushed>,
    ) -> Result<(), Failure> {
        let until = Instant::now() + patience;
        while !open.is_empty()
            && let Some(message) = self.session.next(Some(until))?
        {
            let Some(office) = self.fleet.take(&message) else { continue };
            let reported = self.fleet.of(office).and_then(|view| view.reported.as_ref());
            let outcome = open.get(&office).zip(reported).and_then(|(sent, reported)| sent.outcome(reported));
            if let Some((outcome, sent)) = outcome.and_then(|outcome| Some((outcome, open.remove(&office)?)))
            {
                done.push(sent.into(office, outcome));
            }
        }
        for (office, sent) in open {
            let outcome = sent.silence(self.fleet.of(office), patience);
            done.push(sent.into(office, outcome));
        }
        Ok(())
    }

    pub(super) const fn archive(&self) -> &Archive {
        &self.archive
    }
}

/// A set that was sent and not answered yet.
struct Sent {
    revision: Revision,
    digest: Digest,
    /// What the box had reported before.
    before: Option<Reported>,
}

impl Sent {
    fn into(self, office: OfficeId, outcome: PushOutcome) -> Pushed {
        Pushed { office, revision: self.revision, digest: self.digest, outcome }
    }

    /// What a report says of this set, if it does and is new.
    fn outcome(&self, reported: &Reported) -> Option<PushOutcome> {
        // A box that could not read what came cannot name it.
        let is_nameless = reported.outcome == Outcome::Refused
            && reported.asked.as_ref().is_none_or(|asked| asked.digest.is_none());
        if self.before.as_ref() == Some(reported) || !(is_nameless || reported.is_about(&self.digest)) {
            return None;
        }
        Some(outcome_of(reported))
    }

    /// Nothing came: what the box said before of this very set, or what to look at.
    fn silence(&self, view: Option<&OfficeView>, patience: Duration) -> PushOutcome {
        if let Some(before) = self.before.as_ref().filter(|before| before.is_about(&self.digest)) {
            return outcome_of(before);
        }
        let waited = table::span(patience);
        let words = match view.and_then(|view| view.status.as_ref()) {
            None => "no box of this office ever reported to this broker: is [uplink] in its configuration, with this broker?"
                .to_owned(),
            Some(status) if view.is_some_and(OfficeView::is_online) => format!(
                "the box is on line (version {}) and said nothing for {waited}: see its journal, and whether the broker \
                 lets it read routes/desired",
                status.version
            ),
            Some(status) => {
                format!("the box is off line since {}: it takes the set when it returns", table::date(status.at.0))
            }
        };
        PushOutcome::Silent(words)
    }
}

fn outcome_of(reported: &Reported) -> PushOutcome {
    let because = || {
        let unknown = Because {
            reason: "unknown".to_owned(),
            part: String::new(),
            words: "it does not say why".to_owned(),
        };
        reported.because.clone().unwrap_or(unknown)
    };
    match reported.outcome {
        Outcome::Applied => PushOutcome::Applied(reported.probation_until),
        Outcome::Refused | Outcome::None => PushOutcome::Refused(because()),
        Outcome::RolledBack => PushOutcome::RolledBack(because()),
    }
}

fn digest(set: &RouteSet) -> Result<Digest, Failure> {
    set.digest().map_err(|refusal| super::bad_input(set.office().as_str(), &refusal))
}

impl Pushed {
    pub(super) const fn is_applied(&self) -> bool {
        matches!(self.outcome, PushOutcome::Applied(_))
    }

    /// The box has seen it and would not have it.
    const fn is_bad(&self) -> bool {
        matches!(self.outcome, PushOutcome::Refused(_) | PushOutcome::RolledBack(_))
    }

    /// The outcome in a word, and why.
    pub(super) fn words(&self) -> (&'static str, String) {
        let why = |because: &Because| {
            let refusal = Refusal::new(because.part.clone(), because.words.clone());
            format!("{} ({refusal})", because.reason)
        };
        match &self.outcome {
            PushOutcome::Applied(None) => ("applied", String::new()),
            PushOutcome::Applied(Some(until)) => {
                ("applied", format!("on probation until {}", until.to_text()))
            }
            PushOutcome::Refused(because) => ("refused", why(because)),
            PushOutcome::RolledBack(because) => ("rolled-back", why(because)),
            PushOutcome::Silent(words) => ("no answer", words.clone()),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let (outcome, why) = self.words();
        let (because, probation) = match &self.outcome {
            PushOutcome::Refused(because) | PushOutcome::RolledBack(because) => (Some(because), None),
            PushOutcome::Applied(until) => (None, *until),
            PushOutcome::Silent(_) => (None, None),
        };
        json!({
            "office": self.office.as_str(), "revision": self.revision, "digest": self.digest,
            "outcome": outcome.replace(' ', "-"), "why": why, "because": because, "probation-until": probation,
        })
    }
}

pub(super) fn print(pushed: &[Pushed], json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        return table::print_json(out, &pushed.iter().map(Pushed::to_json).collect::<Vec<_>>());
    }
    let rows: Vec<_> = pushed
        .iter()
        .map(|one| {
            let (outcome, why) = one.words();
            [one.office.to_string(), one.revision.to_string(), outcome.to_owned(), why]
        })
        .collect();
    table::print_table(out, ["OFFICE", "REVISION", "OUTCOME", "WHY"], &rows)
}

/// A failure if not all were applied.
pub(super) fn judge(pushed: &[Pushed]) -> Result<(), Failure> {
    let bad = pushed.iter().filter(|one| one.is_bad()).count();
    let silent = pushed.iter().filter(|one| !one.is_applied()).count() - bad;
    match (bad, silent) {
        (0, 0) => Ok(()),
        (0, _) => Err(Failure::Unavailable(format!("{silent} of {} boxes did not answer", pushed.len()))),
        _ => Err(Failure::BadInput(format!("{bad} of {} boxes refused", pushed.len()))),
    }
}
