//! What other offices, carriers and visitors may reach here.

use std::sync::Arc;

use super::descriptions::{audio, secured};
use super::far_ends::pushed;
use super::phones::Line;
use super::world::{ASTERISK, Peer, World};
use crate::engine::Observation;
use crate::engine::policy::{Destination, Destinations, Permission, Permissions, Rule, Rules};
use crate::engine::routing::{Link, Revision, RouteTable, TableParts};
use crate::engine::settings::Settings;
use crate::engine::testing;
use crate::sip::{HeaderName, Transport};

pub(super) const CARRIER: &str = "carrier PstnGateway - sip:carrier.example";
const PAR: &str = "par SipTrunk PAR sips:par.example";
const NYC: &str = "nyc SipTrunk NYC sips:nyc.example";

/// A table of these links and routes with permissions and rules.
pub(super) fn ruled(
    table: &Arc<RouteTable>,
    permissions: Vec<Permission>,
    rules: Vec<Rule>,
    change: impl Fn(&mut Link),
) -> Arc<RouteTable> {
    let mut links: Vec<Link> = table.links().iter().map(|link| (**link).clone()).collect();
    links.iter_mut().for_each(change);
    let parts = TableParts {
        office: table.office(),
        revision: Revision(table.revision().0 + 1),
        not_after: None,
        links,
        routes: table.routes().to_vec(),
        emergency: table.emergency().clone(),
        limits: *table.limits(),
        permissions: Permissions::new(table.office(), permissions).unwrap(),
        rules: Rules::new(rules).unwrap(),
    };
    Arc::new(RouteTable::new(parts).unwrap())
}

/// What an office may: `PAR extensions,pstn +33*,+32*`; `*` for all others.
fn entry(text: &str) -> Permission {
    let mut words = text.split(' ');
    let office = words.next().filter(|office| *office != "*").map(|office| office.parse().unwrap());
    let may: Destinations = destinations(words.next().unwrap_or_default());
    let numbers = words.next().into_iter().flat_map(|masks| masks.split(','));
    let numbers = numbers.map(|mask| mask.parse().unwrap()).collect();
    Permission { office, may, numbers, visitors: Destinations::ALL }
}

fn destinations(text: &str) -> Destinations {
    text.split(',').filter(|word| !word.is_empty()).map(|word| word.parse::<Destination>().unwrap()).collect()
}

struct Site {
    w: World,
    par: Peer,
    nyc: Peer,
    carrier: Peer,
}

fn table() -> Arc<RouteTable> {
    pushed(&[PAR, NYC, CARRIER], &["PAR-* par", "NYC-* nyc", "0* carrier"])
}

/// BRU with two other offices and a carrier; the office's entries are these.
fn site(settings: Settings, entries: &[&str]) -> Site {
    let mut w = World::with(settings);
    let (par, nyc, carrier) = (w.far_end("par", "PAR"), w.far_end("nyc", "NYC"), w.far_end("carrier", ""));
    let entries = entries.iter().map(|text| entry(text)).collect();
    w.push(ruled(&table(), entries, vec![], |_| {}));
    Site { w, par, nyc, carrier }
}

fn alone() -> Settings {
    Settings { asterisk: None, ..testing::settings() }
}

impl Site {
    /// A call that is refused, with its reason in the header, in the record and told.
    fn denied(&mut self, caller: Peer, number: &str, more: &str, reason: &str) {
        let body =
            if self.w.far.is_end(caller) && caller != self.carrier { secured(7000) } else { audio(4000) };
        let mut a = self.w.calls_with(caller, number, &body, more);
        let refusal = self.w.refused(&mut a, 403);
        let said = refusal.headers.get(&HeaderName::Reason).unwrap().to_string();
        assert_eq!(said, format!("Q.850;cause=21;text=\"{reason}\""), "{number}");
        assert_eq!(self.w.records().last().unwrap().cause, reason);
        assert!(self.w.was_refused(reason));
        let is_told =
            |one: &Observation| matches!(one, Observation::Barred { reason: told, .. } if *told == reason);
        assert!(self.w.observed.iter().any(is_told), "{reason} is told");
    }

    /// A call that rings at `there` and is refused by it.
    fn passes(&mut self, caller: Peer, number: &str, more: &str, there: Peer) {
        let body = if self.w.far.is_end(caller) { secured(7000) } else { audio(4000) };
        let mut a = self.w.calls_with(caller, number, &body, more);
        let mut b: Line = self.w.rung(there);
        self.w.answers(&b, 486, "");
        self.w.asked(&mut b, "ACK");
        self.w.refused(&mut a, 486);
    }
}

#[test]
fn another_office_does_not_get_out_by_our_carriers_unless_it_is_permitted() {
    let mut s = site(alone(), &[]);
    let (par, nyc, carrier) = (s.par, s.nyc, s.carrier);
    s.denied(par, "025551234", "", "not-permitted-pstn");
    let told = s.w.observed.iter().rev().find_map(|one| match one {
        Observation::Barred { office, number, .. } => Some((office.unwrap().to_string(), number.clone())),
        _ => None,
    });
    assert_eq!(told.unwrap(), ("PAR".to_owned(), "025551234".to_owned()));
    let entries = ["PAR pstn 02*,+322*", "* extensions"];
    s.w.push(ruled(&table(), entries.iter().map(|text| entry(text)).collect(), vec![], |_| {}));
    s.passes(par, "025551234", "", carrier);
    s.denied(par, "095551234", "", "not-permitted-pstn");
    s.denied(par, "NYC-1001", "", "not-permitted-transit");
    s.denied(nyc, "025551234", "", "not-permitted-pstn");
    s.w.closes();
}

#[test]
fn nobody_gets_out_through_a_neighbour_who_may() {
    let mut s = site(alone(), &["NYC transit,pstn"]);
    let (nyc, par, carrier) = (s.nyc, s.par, s.carrier);
    s.passes(nyc, "025551234", "X-Branchline-Path: NYC\r\n", carrier);
    s.denied(nyc, "025551234", "X-Branchline-Path: PAR, NYC\r\n", "not-permitted-pstn");
    s.passes(nyc, "PAR-1001", "X-Branchline-Path: NYC\r\n", par);
    s.w.closes();
}

#[test]
fn an_office_reaches_our_extensions_only_if_it_may() {
    let mut s = site(alone(), &["PAR transit"]);
    let (par, nyc) = (s.par, s.nyc);
    let bob = s.w.udp_phone("1002");
    s.denied(par, "1002", "", "not-permitted-extensions");
    s.denied(par, "BRU-1002", "", "not-permitted-extensions");
    s.passes(nyc, "BRU-1002", "", bob);
    let mut line = s.w.line(par, "PAR-1001", "BRU-1002");
    s.w.sends(&mut line, "MESSAGE", "hi", "Content-Type: text/plain\r\n");
    s.w.hears(&mut line, 403);
    s.w.closes();
}

#[test]
fn help_is_permitted_to_everybody() {
    let mut s = site(alone(), &["* transit"]);
    let a = s.w.calls(s.par, "112", &secured(7000));
    let b = s.w.rung(s.carrier);
    s.w.talks_and_ends(a, b);
}

#[test]
fn what_passes_through_does_not_break_out_on_its_way() {
    let mut s = site(alone(), &[]);
    s.w.push(pushed(&[PAR, NYC, CARRIER], &["PAR-* carrier,par"]));
    let mut a = s.w.calls(s.nyc, "PAR-1001", &secured(7000));
    let mut b = s.w.rung(s.par);
    s.w.answers(&b, 503, "");
    s.w.asked(&mut b, "ACK");
    s.w.refused(&mut a, 503);
    assert!(s.w.attempts().contains(&("carrier".to_owned(), "skipped", "not-permitted".to_owned())));
    s.w.closes();
}

#[test]
fn asterisk_is_no_way_round() {
    let mut s = site(testing::settings(), &[]);
    let (par, carrier) = (s.par, s.carrier);
    s.passes(par, "600", "", ASTERISK);
    s.denied(par, "+33155512345", "", "not-permitted-pstn");
    s.denied(par, &format!("+33155512345{}", "0".repeat(20)), "", "not-permitted-pstn");
    s.denied(carrier, "PAR-1001", "", "not-permitted-transit");
    s.denied(carrier, "0475551234", "", "not-permitted-pstn");
    let mut a = s.w.calls(carrier, "+3225551000", &audio(7000));
    let mut b = s.w.rung(ASTERISK);
    s.w.answers(&b, 486, "");
    s.w.asked(&mut b, "ACK");
    s.w.refused(&mut a, 486);
    s.w.closes();
}

#[test]
fn numbers_that_carriers_deliver_here_come_in_whatever_route_they_have() {
    let mut settings = testing::settings();
    settings.routing.inbound = vec!["02555*".parse().unwrap()];
    let mut s = site(settings, &[]);
    let mut a = s.w.calls(s.carrier, "025551042", &audio(7000));
    let mut b = s.w.rung(ASTERISK);
    s.w.answers(&b, 486, "");
    s.w.asked(&mut b, "ACK");
    s.w.refused(&mut a, 486);
    s.w.closes();
}

#[test]
fn an_office_without_ops_has_permissions_of_its_own() {
    let mut settings = alone();
    let office = "BRU".parse().unwrap();
    settings.routing.permissions = Permissions::new(office, vec![entry("PAR pstn")]).unwrap();
    let mut s = site(settings, &[]);
    let (par, carrier) = (s.par, s.carrier);
    s.passes(par, "025551234", "", carrier);
    s.w.push(ruled(&table(), vec![entry("NYC extensions")], vec![], |_| {}));
    s.denied(par, "025551234", "", "not-permitted-pstn");
    s.w.closes();
}

#[test]
fn a_visitor_calls_out_unless_its_home_office_s_visitors_may_not() {
    let mut w = World::paris();
    let carrier = w.far_end("carrier", "");
    let table = super::far_ends::pushed_to("PAR", &[CARRIER], &["0* carrier"]);
    w.push(table.clone());
    let phone = w.phone("32-1001", Transport::Tls);
    assert_eq!(w.ann_signs_in(phone, "secret"), 200);
    let mut a = w.calls(phone, "0155512345", &audio(4000));
    let mut b = w.rung(carrier);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    let visitors = destinations("extensions,roamers");
    w.push(ruled(&table, vec![Permission { visitors, ..entry("BRU pstn") }], vec![], |_| {}));
    let mut a = w.calls(phone, "0155512345", &audio(4000));
    w.refused(&mut a, 403);
    assert_eq!(w.records().last().unwrap().cause, "not-permitted-pstn");
    let mut a = w.calls(phone, "112", &audio(4000));
    let mut b = w.rung(carrier);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
}
