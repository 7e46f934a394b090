//! `branchline ops roll-back`: an older content under a newer revision.

use std::io::Write;

use super::arguments::RollBack;
use super::push::{self, Sender};
use super::sets::{self, Archive};
use super::{bad_input, keys};
use crate::cli::Failure;
use crate::uplink::route_set::RouteSet;
use crate::uplink::{OfficeId, Revision, next_revision};

pub(super) fn roll_back(wish: &RollBack, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let office = super::office(&wish.office)?;
    let key = keys::needed_key(&wish.signing)?;
    let mut sender = Sender::open(&wish.broker, &[office], Archive::open(&wish.state)?)?;
    let view = sender.fleet.of(office);
    let desired = view.and_then(|view| view.desired.clone());
    let asked = view.and_then(|view| view.reported.as_ref()?.asked.as_ref()?.revision);
    let in_force = view.and_then(|view| view.reported.as_ref()?.revision());
    let archived = sender.archive().revisions(office).first().copied();
    let old = target(wish, sender.archive(), office, desired.as_ref())?;
    let highest = [desired.as_ref().map(RouteSet::revision), asked, in_force, archived, Some(old.revision())];
    let revision = highest.into_iter().flatten().max().and_then(next_revision);
    let revision = revision.ok_or_else(|| Failure::BadInput("there is no higher revision".to_owned()))?;
    let refused = |refusal| bad_input(office.as_str(), &refusal);
    let mut fields = old.fields().clone();
    // The old set's last day may be over; its content is wanted nevertheless.
    fields.remove("not-after");
    let old = RouteSet::new(fields).map_err(refused)?;
    let set = old.reissued(revision, sets::issued_now()).map_err(refused)?;
    let set = set.signed(&key).map_err(refused)?;
    let pushed = sender.send(&[set], wish.timeout)?;
    push::print(&pushed, json, out)?;
    push::judge(&pushed)?;
    if let Some(desired) = desired {
        sender.archive().set_aside(office, desired.revision());
    }
    Ok(())
}

/// The set whose content shall come back.
fn target(
    wish: &RollBack,
    archive: &Archive,
    office: OfficeId,
    desired: Option<&RouteSet>,
) -> Result<RouteSet, Failure> {
    if let Some(file) = &wish.file {
        let set = sets::read(file)?;
        let name = file.display();
        let foreign = || Failure::BadInput(format!("{name}: it is for {}, not for {office}", set.office()));
        return if set.office() == office { Ok(set) } else { Err(foreign()) };
    }
    let root = archive.root().display();
    if let Some(revision) = wish.to {
        let missing =
            || Failure::Missing(format!("{root}: no revision {revision} of {office}; --file names a set"));
        return archive.get(office, Revision(revision))?.ok_or_else(missing);
    }
    let (current, limit) = (desired.map(sets::content), desired.map(RouteSet::revision));
    for revision in archive.revisions(office).into_iter().filter(|one| limit.is_none_or(|limit| *one < limit))
    {
        if let Some(set) = archive.get(office, revision)?
            && Some(sets::content(&set)) != current
        {
            return Ok(set);
        }
    }
    Err(Failure::Missing(format!("{root}: no earlier set of {office} that differs; --file names a set")))
}
