//! `branchline ops roll-out`: stage by stage, and no further after an error.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use super::arguments::RollOut;
use super::fleet::OfficeView;
use super::push::{self, Pushed, Sender};
use super::sets::Archive;
use super::{keys, sets};
use crate::cli::{Failure, table};
use crate::uplink::route_set::RouteSet;
use crate::uplink::{OfficeId, Outcome};

/// How far a stage goes.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Until so many offices have their set.
    Count(usize),
    /// Until so many percent have it.
    Share(usize),
    /// These offices.
    Offices(Vec<OfficeId>),
}

pub(super) fn roll_out(wish: &RollOut, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let key = keys::signing_key(&wish.signing)?;
    let sets = sets::read_all(&wish.files, key.as_ref())?;
    let offices: Vec<OfficeId> = sets.iter().map(RouteSet::office).collect();
    let stages = plan(&wish.stages, &offices)?;
    let mut sender = Sender::open(&wish.broker, &offices, Archive::open(&wish.state)?)?;
    sender.check_revisions(&sets)?;
    let mut sets: BTreeMap<OfficeId, RouteSet> = sets.into_iter().map(|set| (set.office(), set)).collect();
    let mut told = Teller { json, out, pushed: Vec::new() };
    let count = stages.len();
    for (number, stage) in (1..).zip(stages) {
        let of_stage: Vec<RouteSet> = stage.iter().filter_map(|office| sets.remove(office)).collect();
        told.begin(number, count, &stage)?;
        let before = wrongs(&sender, &stage);
        let pushed = sender.send(&of_stage, wish.timeout)?;
        let outcome = push::judge(&pushed);
        told.stage(pushed)?;
        let outcome = outcome.and_then(|()| settle(&mut sender, &of_stage, &before, wish.settle));
        if let Err(failure) = outcome {
            told.end(Some(&failure), &sets)?;
            return Err(failure);
        }
    }
    told.end(None, &sets)
}

/// The offices of each stage; those left make the last one.
fn plan(wishes: &[String], offices: &[OfficeId]) -> Result<Vec<Vec<OfficeId>>, Failure> {
    let mut left = offices.to_vec();
    let mut stages = Vec::new();
    for wish in wishes {
        let done = offices.len() - left.len();
        let taken: Vec<OfficeId> = match parse(wish)? {
            Stage::Count(count) => left.drain(..count.saturating_sub(done).min(left.len())).collect(),
            Stage::Share(percent) => {
                let count = (offices.len() * percent).div_ceil(100);
                left.drain(..count.saturating_sub(done).min(left.len())).collect()
            }
            Stage::Offices(named) => {
                if let Some(unknown) = named.iter().find(|office| !offices.contains(office)) {
                    return Err(Failure::Usage(format!("--stage {wish}: no file is for {unknown}")));
                }
                left.retain(|office| !named.contains(office));
                let is_new = |office: &OfficeId| !stages.iter().flatten().any(|done| done == office);
                named.into_iter().filter(is_new).collect()
            }
        };
        stages.push(taken);
    }
    stages.push(left);
    stages.retain(|stage| !stage.is_empty());
    Ok(stages)
}

fn parse(wish: &str) -> Result<Stage, Failure> {
    let bad = || {
        let expected = "expected a number, a share (25%) or offices (BRU,PAR)";
        Failure::Usage(format!("--stage {wish}: {expected}"))
    };
    if let Some(percent) = wish.strip_suffix('%') {
        let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent));
        return percent.map(Stage::Share).ok_or_else(bad);
    }
    if let Ok(count) = wish.parse::<usize>() {
        return if count > 0 { Ok(Stage::Count(count)) } else { Err(bad()) };
    }
    let offices = wish.split(',').map(|office| office.trim().parse().map_err(|_| bad()));
    offices.collect::<Result<_, _>>().map(Stage::Offices)
}

/// What was wrong at each office before its set came.
fn wrongs(sender: &Sender, stage: &[OfficeId]) -> BTreeMap<OfficeId, BTreeSet<String>> {
    let raised = |office: &OfficeId| {
        sender
            .fleet
            .of(*office)
            .map(OfficeView::raised)
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    stage.iter().map(|office| (*office, raised(office))).collect()
}

/// Watches a stage whose sets are applied. The first thing that goes wrong ends it.
fn settle(
    sender: &mut Sender,
    sets: &[RouteSet],
    before: &BTreeMap<OfficeId, BTreeSet<String>>,
    span: Duration,
) -> Result<(), Failure> {
    let until = Instant::now() + span;
    loop {
        for set in sets {
            let view = sender.fleet.of(set.office());
            let known = before.get(&set.office());
            if let Some(wrong) = view.map_or(Some("it is gone".to_owned()), |view| fault(view, set, known)) {
                return Err(Failure::Finding(format!("{}: {wrong}", set.office())));
            }
        }
        let Some(message) = sender.session.next(Some(until))? else { return Ok(()) };
        sender.fleet.take(&message);
    }
}

/// What went wrong at an office since its set was applied.
fn fault(view: &OfficeView, set: &RouteSet, before: Option<&BTreeSet<String>>) -> Option<String> {
    if let Some(reported) = view.reported.as_ref().filter(|_| view.in_force() != set.digest().ok()) {
        let because =
            reported.because.as_ref().map_or_else(String::new, |because| format!(": {}", because.words));
        let what =
            if reported.outcome == Outcome::RolledBack { "rolled back" } else { "another set is in force" };
        return Some(format!("{what}{because}"));
    }
    if view.status.is_some() && !view.is_online() {
        return Some("the box went off line".to_owned());
    }
    let is_new = |name: &&str| before.is_none_or(|before| !before.contains(*name));
    view.raised().into_iter().find(is_new).map(|name| format!("its health fell: {name}"))
}

/// Says how far it is.
struct Teller<'a> {
    json: bool,
    out: &'a mut dyn Write,
    pushed: Vec<Vec<Pushed>>,
}

impl Teller<'_> {
    fn begin(&mut self, number: usize, of: usize, stage: &[OfficeId]) -> Result<(), Failure> {
        if !self.json {
            let offices: Vec<&str> = stage.iter().map(OfficeId::as_str).collect();
            writeln!(self.out, "stage {number} of {of}: {}", offices.join(" "))?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn stage(&mut self, pushed: Vec<Pushed>) -> Result<(), Failure> {
        if !self.json {
            push::print(&pushed, false, self.out)?;
            self.out.flush()?;
        }
        self.pushed.push(pushed);
        Ok(())
    }

    fn end(self, failure: Option<&Failure>, left: &BTreeMap<OfficeId, RouteSet>) -> Result<(), Failure> {
        let left: Vec<&str> = left.keys().map(OfficeId::as_str).collect();
        if self.json {
            let stages: Vec<Vec<_>> =
                self.pushed.iter().map(|stage| stage.iter().map(Pushed::to_json).collect()).collect();
            let outcome = if failure.is_some() { "stopped" } else { "done" };
            let why = failure.map(ToString::to_string);
            return table::print_json(
                self.out,
                &json!({ "outcome": outcome, "why": why, "stages": stages, "not-sent": left }),
            );
        }
        match failure {
            None => writeln!(self.out, "done")?,
            Some(_) if left.is_empty() => writeln!(self.out, "stopped; all sets were sent")?,
            Some(_) => writeln!(self.out, "stopped; not sent: {}", left.join(" "))?,
        }
        self.out.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(wishes: &[&str], offices: &str) -> Result<Vec<String>, Failure> {
        let offices: Vec<OfficeId> = offices.split(' ').map(|id| id.parse().unwrap()).collect();
        let wishes: Vec<String> = wishes.iter().map(|wish| (*wish).to_owned()).collect();
        let text = |stage: &Vec<OfficeId>| stage.iter().map(OfficeId::as_str).collect::<Vec<_>>().join(" ");
        Ok(plan(&wishes, &offices)?.iter().map(text).collect())
    }

    #[test]
    fn stages_count_from_the_first_office_and_the_rest_is_the_last() {
        let eight = "O1 O2 O3 O4 O5 O6 O7 O8";
        assert_eq!(planned(&[], "O1 O2").unwrap(), ["O1 O2"]);
        assert_eq!(planned(&["1", "25%"], eight).unwrap(), ["O1", "O2", "O3 O4 O5 O6 O7 O8"]);
        assert_eq!(planned(&["O5,O3", "50%"], eight).unwrap(), ["O5 O3", "O1 O2", "O4 O6 O7 O8"]);
        assert_eq!(planned(&["100%", "1"], "O1 O2").unwrap(), ["O1 O2"]);
        assert_eq!(planned(&["O1", "O1,O2"], "O1 O2").unwrap(), ["O1", "O2"]);
        for bad in ["0", "0%", "101%", "bru", "", "O9"] {
            assert_eq!(planned(&[bad], eight).unwrap_err().exit_code(), 64, "{bad}");
        }
    }
}
