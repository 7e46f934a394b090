//! What parties outside the office are told of a caller.
//!
//! | towards | From and P-Asserted-Identity |
//! | --- | --- |
//! | another office, a bare extension calls | `BRU-1001`, which can be called back from there |
//! | another office, any other number | as it is |
//! | a carrier, an extension calls | the site's main number if it has one |
//! | a carrier, any other number | as it is |
//! | help | the call-back number of the caller's place, with its location (RFC 6442) |
//!
//! Towards offices, `X-Branchline-Path` names the offices that a call has passed: one that finds itself there refuses the call
//! as a loop (482).

use super::effects::Effects;
use super::leg::Party;
use super::location;
use super::model::Call;
use super::ways::leads_to_office;
use crate::engine::flow::Side;
use crate::engine::numbering::{Extension, OfficeId};
use crate::engine::routing::{Choice, SipAddress};
use crate::sip::{HeaderName, Host, NameAddr, Request, SipUri, Text};

/// Names the offices that a call has passed, the first one first.
pub(super) const PATH: &str = "X-Branchline-Path";
/// Most offices that a call may pass.
const LONGEST_PATH: usize = 8;

/// What an INVITE says of the two parties.
pub(super) struct Words {
    /// Who calls.
    pub from: NameAddr,
    /// Who is called.
    pub to: NameAddr,
    /// The identity that we vouch for (RFC 3325).
    pub asserted: Option<NameAddr>,
    /// More headers.
    pub more: Vec<(HeaderName, Text)>,
}

/// The words over a SIP link.
pub(super) fn outward(call: &Call, choice: &Choice, address: &SipAddress, fx: &Effects<'_>) -> Words {
    let to_office = leads_to_office(&choice.link);
    let caller = caller(call, to_office, fx);
    let host = if to_office { Host::from(fx.settings.realm.as_str()) } else { address.host.clone() };
    let from = name_addr(&caller, host);
    let there = choice.behind_gateway().map_or_else(|| address.host.clone(), |office| office.as_str().into());
    let to = NameAddr::new(SipUri::new(Some(&choice.number), there, None));
    let mut more = location::headers(call);
    if to_office {
        more.push((HeaderName::from_static(PATH), path_of(&call.passed, &fx.settings.office)));
    }
    Words { asserted: Some(from.clone()), from, to, more }
}

/// The words to Asterisk when it shall call a peer of its own: it knows the caller by its endpoint, which is From; the
/// peer is shown who is asserted.
pub(super) fn caller_at_asterisk(call: &Call, choice: &Choice, fx: &Effects<'_>) -> Words {
    let realm = || Host::from(fx.settings.realm.as_str());
    let to_office = leads_to_office(&choice.link);
    let asserted = name_addr(&caller(call, to_office, fx), realm());
    let from = name_addr(&call.peer_of(1), realm());
    let to = NameAddr::new(SipUri::new(Some(&choice.number), realm(), None));
    Words { from, to, asserted: Some(asserted), more: location::headers(call) }
}

/// The offices that a request has passed; an error when there are too many, or `own` is among them.
pub(crate) fn passed(request: &Request, own: OfficeId) -> Result<Vec<OfficeId>, ()> {
    let name = HeaderName::from_static(PATH);
    let mut offices = Vec::new();
    let values = request.headers.get_all(&name).flat_map(|value| value.as_str().split(','));
    for value in values {
        let office: OfficeId = value.trim().parse().map_err(|_| ())?;
        if office == own || offices.len() >= LONGEST_PATH {
            return Err(());
        }
        offices.push(office);
    }
    Ok(offices)
}

/// A caller of another office, by what it says and what its certificate proved: nobody else's users, and none of ours.
pub(crate) fn caller_from(office: OfficeId, own: OfficeId, said: Party) -> Party {
    let number = match OfficeId::split(&said.number) {
        Some((named, _)) if named != own => said.number,
        Some((_, rest)) => format!("{office}-{rest}"),
        None if is_bare_extension(&said.number) => format!("{office}-{}", said.number),
        None => said.number,
    };
    Party { number, name: said.name }
}

fn caller(call: &Call, to_office: bool, fx: &Effects<'_>) -> Party {
    let party = call.peer_of(1);
    let is_extension = is_bare_extension(&party.number);
    let main = fx.settings.routing.main_number.clone();
    let callback = call.place.as_ref().and_then(|place| place.callback.clone());
    let number = match callback.filter(|_| call.side != Side::Gateway) {
        Some(callback) => callback,
        None if to_office => extension_of_office(&party.number, &fx.settings.office),
        None if is_extension => main.unwrap_or_else(|| party.number.clone()),
        None => party.number.clone(),
    };
    Party { number, name: party.name }
}

/// Whether a number is dialled within one office only.
fn is_bare_extension(number: &str) -> bool {
    number.parse::<Extension>().is_ok_and(|extension| extension.country().is_none())
}

/// The offices that a request has passed when it leaves this one.
pub(super) fn path_of(passed: &[OfficeId], own: &str) -> Text {
    let mut offices: Vec<&str> = passed.iter().map(OfficeId::as_str).collect();
    offices.push(own);
    Text::from(offices.join(", "))
}

/// A number as other offices can call it: an extension of this one with the office before it.
pub(super) fn extension_of_office(number: &str, own: &str) -> String {
    if is_bare_extension(number) { format!("{own}-{number}") } else { number.to_owned() }
}

fn name_addr(party: &Party, host: Host) -> NameAddr {
    let address = NameAddr::new(SipUri::new(Some(&party.number), host, None));
    match &party.name {
        Some(name) => address.with_display(name),
        None => address,
    }
}
