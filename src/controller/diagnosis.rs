//! What is wrong with an office, in words for whoever reads the page.

use std::time::Duration;

use serde::Serialize;

use super::store::desired::DesiredRow;
use super::store::observed::ObservedRow;
use crate::time::WallTime;
use crate::uplink::{Because, Document, HealthReport, Outcome, Presence, Refusal, Reported, Status};

/// A box that is on line tells its health every minute or so; after this it is strange.
const SILENCE: Duration = Duration::from_secs(300);
/// A set that a broker took is in force within a second or two; after this it is strange.
const SLOW: Duration = Duration::from_secs(15);

/// An office at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Glance {
    /// On line, and nothing is wrong.
    Well,
    /// On line, and something is wrong.
    Trouble,
    /// Its box is off line.
    Away,
    /// No box ever spoke.
    Unheard,
}

/// What an office's box said last, read.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) status: Option<Status>,
    pub(super) health: Option<HealthReport>,
    pub(super) reported: Option<Reported>,
    pub(super) at: Option<WallTime>,
    /// Which documents could not be read, and why.
    pub(super) unreadable: Vec<String>,
}

/// What there is to say.
#[derive(Debug)]
pub(super) struct Diagnosis {
    pub(super) glance: Glance,
    pub(super) wrong: Vec<String>,
}

impl Heard {
    pub(super) fn of(observed: Option<&ObservedRow>) -> Self {
        let Some(observed) = observed else { return Self::default() };
        let mut unreadable = Vec::new();
        Self {
            status: read(observed.status.as_deref(), "status", &mut unreadable),
            health: read(observed.health.as_deref(), "health", &mut unreadable),
            reported: read(observed.reported.as_deref(), "routes/reported", &mut unreadable),
            at: observed.heard,
            unreadable,
        }
    }

    pub(super) fn is_online(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.state == Presence::Online)
    }
}

fn read<D: Document>(bytes: Option<&[u8]>, name: &str, unreadable: &mut Vec<String>) -> Option<D> {
    let read = D::read(bytes?);
    read.inspect_err(|refusal| unreadable.push(format!("Its {name} cannot be read: {refusal}"))).ok()
}

/// Looks at an office. `differs` says whether its links and routes were changed since the desired set was made.
pub(super) fn examine(
    heard: &Heard,
    desired: Option<&DesiredRow>,
    differs: bool,
    now: WallTime,
) -> Diagnosis {
    let mut wrong = heard.unreadable.clone();
    presence(heard, now, &mut wrong);
    routes(heard, desired, now, &mut wrong);
    conditions(heard, &mut wrong);
    match desired {
        None => wrong.push("No route set was ever published from here.".to_owned()),
        Some(desired) if desired.acknowledged.is_none() => {
            wrong.push(format!("Revision {} waits for the broker.", desired.revision));
        }
        Some(_) if differs => wrong.push("Links or routes were changed and not published yet.".to_owned()),
        Some(_) => {}
    }
    let glance = match (&heard.status, heard.is_online(), wrong.is_empty()) {
        (None, ..) => Glance::Unheard,
        (_, false, _) => Glance::Away,
        (_, _, true) => Glance::Well,
        _ => Glance::Trouble,
    };
    Diagnosis { glance, wrong }
}

fn presence(heard: &Heard, now: WallTime, wrong: &mut Vec<String>) {
    match &heard.status {
        None => wrong.push("Its box has never reported to this broker.".to_owned()),
        Some(status) if status.state == Presence::Offline => {
            wrong.push("Its box has no connection to the broker.".to_owned());
        }
        Some(_) => {
            if let Some(silence) = heard.at.map(|at| now.since(at)).filter(|silence| *silence > SILENCE) {
                let minutes = silence.as_secs() / 60;
                wrong.push(format!("Its box is on line and has said nothing for {minutes} minutes."));
            }
        }
    }
}

fn routes(heard: &Heard, desired: Option<&DesiredRow>, now: WallTime, wrong: &mut Vec<String>) {
    let Some(reported) = &heard.reported else { return };
    let asked = reported.asked.as_ref().and_then(|asked| asked.revision);
    let asked = asked.map_or_else(|| "The last route set".to_owned(), |asked| format!("Revision {asked}"));
    match reported.outcome {
        Outcome::Refused => wrong.push(format!("{asked} was refused{}", why(reported.because.as_ref()))),
        Outcome::RolledBack => {
            wrong.push(format!("{asked} was rolled back{}", why(reported.because.as_ref())));
        }
        Outcome::Applied | Outcome::None => {
            let late = |desired: &&DesiredRow| {
                desired.acknowledged.is_some_and(|at| now.since(at) > SLOW)
                    && reported.revision() != Some(desired.revision)
            };
            if let Some(desired) = desired.filter(late) {
                let force = reported.revision().map_or_else(|| "none".to_owned(), |one| one.to_string());
                wrong.push(format!("Revision {} is wanted, {force} is in force.", desired.revision));
            }
        }
    }
}

fn why(because: Option<&Because>) -> String {
    because.map_or_else(
        || ".".to_owned(),
        |because| {
            let refusal = Refusal::new(because.part.clone(), because.words.clone());
            format!(" ({}): {refusal}", because.reason)
        },
    )
}

fn conditions(heard: &Heard, wrong: &mut Vec<String>) {
    let Some(health) = &heard.health else { return };
    for condition in health.raised() {
        let words = words_of(&condition.name).map_or_else(|| condition.name.clone(), str::to_owned);
        let error = condition.last_error.as_str();
        wrong.push(if error.is_empty() { format!("{words}.") } else { format!("{words}: {error}") });
    }
    for (link, state) in health.links.iter().filter(|(_, state)| *state == "down") {
        wrong.push(format!("The link {link} is {state}."));
    }
}

/// The conditions of `observe::Condition` as a person would say them; others stand for themselves.
fn words_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "asterisk-down" => "Asterisk does not answer",
        "asterisk-mirror-failed" => "Asterisk could not be told of the extensions",
        "calls-at-limit" => "As many calls are up as are allowed",
        "certificate-expiring" => "A certificate ends soon",
        "certificate-expired" => "A certificate has ended",
        "certificate-refused" => "A certificate could not be loaded",
        "config-refused" => "The last configuration was refused",
        "engine-stalled" => "Its signalling stands still",
        "journal-dropping" => "Lines of its log were dropped",
        "media-stalled" => "Its media stand still",
        "shell-stalled" => "Its daemon stands still",
        "listener-failed" => "A listener could not be opened",
        "outbox-failed" => "Its outbox cannot be used",
        "outbox-full" => "Events were lost for lack of room",
        "ports-exhausted" => "No media port is free",
        "routes-refused" => "The last route set was refused",
        "routes-rolled-back" => "The last route set was rolled back",
        "routes-stale" => "The route set in force is past its date",
        "store-corrupt" => "Its database was damaged and replaced",
        "store-failed" => "Its disk cannot be written",
        "store-full" => "Its disk is full",
        "uplink-down" => "It reached no broker",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uplink::Revision;

    const NOW: WallTime = WallTime(1_795_251_600_000);

    fn observed(state: &str, reported: &str, conditions: &str) -> ObservedRow {
        let head = "\"v\":1,\"office\":\"BRU\",\"boot\":\"b\",\"at\":\"2026-11-21T09:00:00Z\"";
        ObservedRow {
            status: Some(format!("{{{head},\"state\":\"{state}\",\"version\":\"0.1.0\"}}").into_bytes()),
            health: Some(format!("{{{head},\"conditions\":[{conditions}]}}").into_bytes()),
            reported: Some(format!("{{{head},{reported}}}").into_bytes()),
            heard: Some(NOW),
        }
    }

    fn desired(revision: u64, acknowledged: bool) -> DesiredRow {
        DesiredRow {
            office: "BRU".parse().unwrap(),
            revision: Revision(revision),
            digest: String::new(),
            content: String::new(),
            document: Vec::new(),
            created: NOW,
            acknowledged: acknowledged.then_some(NOW),
        }
    }

    fn look(row: &ObservedRow, desired: Option<&DesiredRow>, differs: bool) -> (Glance, Vec<String>) {
        let Diagnosis { glance, wrong } = examine(&Heard::of(Some(row)), desired, differs, NOW);
        (glance, wrong)
    }

    #[test]
    fn an_office_that_has_what_is_wanted_is_well() {
        let row = observed("online", "\"outcome\":\"applied\",\"in-force\":{\"revision\":7}", "");
        assert_eq!(look(&row, Some(&desired(7, true)), false), (Glance::Well, vec![]));
        let (glance, wrong) = look(&row, Some(&desired(7, true)), true);
        assert_eq!(glance, Glance::Trouble);
        assert_eq!(wrong, ["Links or routes were changed and not published yet."]);
        let (_, wrong) = look(&row, Some(&desired(8, false)), false);
        assert_eq!(wrong, ["Revision 8 waits for the broker."]);
        let late = examine(
            &Heard::of(Some(&row)),
            Some(&desired(8, true)),
            false,
            NOW.plus(Duration::from_secs(20)),
        );
        assert_eq!(late.wrong, ["Revision 8 is wanted, 7 is in force."]);
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let reported = "\"outcome\":\"refused\",\"asked\":{\"revision\":8},\"because\":{\"reason\":\"bad-part\",\
            \"part\":\"links[0].address\",\"words\":\"no host\"}";
        let condition = "{\"name\":\"asterisk-down\",\"raised\":true,\"since\":\"2026-11-21T09:00:00Z\"},\
            {\"name\":\"new-one\",\"raised\":true,\"since\":\"2026-11-21T09:00:00Z\",\"last-error\":\"e\"},\
            {\"name\":\"store-full\",\"raised\":false,\"since\":\"2026-11-21T09:00:00Z\"}";
        let (glance, wrong) = look(&observed("online", reported, condition), Some(&desired(8, true)), false);
        assert_eq!(glance, Glance::Trouble);
        assert_eq!(
            wrong,
            [
                "Revision 8 was refused (bad-part): links[0].address: no host",
                "Asterisk does not answer.",
                "new-one: e",
            ]
        );
        let (glance, wrong) =
            look(&observed("offline", "\"outcome\":\"none\"", ""), Some(&desired(8, true)), false);
        assert_eq!((glance, wrong.len()), (Glance::Away, 1));
    }

    #[test]
    fn links_that_are_down_are_named() {
        let mut row = observed("online", "\"outcome\":\"applied\",\"in-force\":{\"revision\":7}", "");
        let health = "{\"v\":1,\"office\":\"BRU\",\"boot\":\"b\",\"at\":\"2026-11-21T09:00:00Z\",\
            \"links\":{\"nyc-sip\":\"down\",\"par-sip\":\"up\",\"pstn\":\"disabled\"}}";
        row.health = Some(health.as_bytes().to_vec());
        let (glance, wrong) = look(&row, Some(&desired(7, true)), false);
        assert_eq!((glance, wrong), (Glance::Trouble, vec!["The link nyc-sip is down.".to_owned()]));
    }

    #[test]
    fn silence_and_nonsense_are_noticed() {
        let Diagnosis { glance, wrong } = examine(&Heard::default(), None, true, NOW);
        assert_eq!((glance, wrong.len()), (Glance::Unheard, 2));
        let row =
            ObservedRow { health: Some(b"{}".to_vec()), ..observed("online", "\"outcome\":\"none\"", "") };
        let (_, wrong) = look(&row, Some(&desired(1, true)), false);
        assert!(wrong.iter().any(|one| one.starts_with("Its health cannot be read")), "{wrong:?}");
        let silent = examine(
            &Heard::of(Some(&observed("online", "\"outcome\":\"none\"", ""))),
            None,
            false,
            NOW.plus(Duration::from_secs(601)),
        );
        assert!(silent.wrong.iter().any(|one| one.contains("10 minutes")), "{:?}", silent.wrong);
    }
}
