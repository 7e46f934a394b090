//! Strangers: forged tags, requests in a dialog from elsewhere, Contacts and Routes that point away.

use super::descriptions::{audio, directed};
use super::proof::proof;
use super::world::World;
use crate::sip::{Message, Transport};

#[test]
fn a_forged_tag_gets_481() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (a, b) = w.talk(ann, bob);
    for method in ["BYE", "INVITE", "UPDATE", "INFO", "OPTIONS", "PRACK", "REFER"] {
        let mut forged = a.clone();
        forged.cseq = 500;
        forged.remote = forged.remote.replace("tag=", "tag=0");
        forged.call_id.push('x');
        w.sends(&mut forged, method, "", "");
        let refusal = w.hears(&mut forged, 481);
        if method == "INVITE" {
            forged.invite =
                match crate::engine::testing::message(&w.request_text(&mut forged.clone(), "INVITE", "", ""))
                {
                    Message::Request(request) => request,
                    Message::Response(_) => unreachable!(),
                };
            let _ = refusal;
            w.wait(super::world::seconds(40));
        }
    }
    assert_eq!(w.engine.calls().active(), 1);
    w.ends(a, b);
}

#[test]
fn a_bye_from_another_host_must_be_proved() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (a, b) = w.talk(ann, bob);
    let thief = w.phone("1005", Transport::Udp);
    let mut stolen = a.clone();
    stolen.peer = thief;
    w.sends(&mut stolen, "BYE", "", "");
    w.hears(&mut stolen, 407);
    assert_eq!(w.engine.calls().active(), 1);
    assert!(w.was_refused("from-elsewhere"));
    w.ends(a, b);
}

#[test]
fn another_extension_cannot_prove_it() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let thief = w.registered("1005", Transport::Tls);
    let (a, b) = w.talk(ann, bob);
    let mut stolen = a.clone();
    stolen.peer = thief;
    stolen.local = stolen.local.replace("sip:1001", "sip:1005");
    stolen.cseq = 40;
    w.sends(&mut stolen, "BYE", "", "");
    w.hears(&mut stolen, 481);
    assert_eq!(w.engine.calls().active(), 1);
    w.ends(a, b);
}

#[test]
fn media_are_not_sent_where_a_stranger_wants() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (a, mut b) = w.talk(ann, bob);
    let mut stolen = a.clone();
    stolen.peer = w.phone("1005", Transport::Udp);
    stolen.cseq = 40;
    w.invites(&mut stolen, &directed(6666, "sendonly"), "");
    let refusal = w.hears(&mut stolen, 407);
    w.acks_refusal(&stolen, &refusal);
    w.hears_nothing(&b);
    b.cseq += 1;
    w.ends(a, b);
}

#[test]
fn a_phone_that_changed_its_network_proves_itself() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (a, mut b) = w.talk(ann, bob);
    let elsewhere = w.phone("1001", Transport::Udp);
    let mut moved = a.clone();
    moved.peer = elsewhere;
    w.sends(&mut moved, "UPDATE", &audio(4000), "");
    let challenge = w.hears(&mut moved, 407);
    let credentials = proof(&challenge, "UPDATE", &moved.target, "1001", "pw-1001", 1);
    w.sends(&mut moved, "UPDATE", &audio(4000), &format!("Proxy-Authorization: {credentials}\r\n"));
    w.hears(&mut moved, 200);
    w.hangs_up(&mut b);
    w.is_hung_up(&mut moved);
    w.finish();
}

#[test]
fn we_never_send_where_a_contact_or_route_points() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Udp);
    let bob = w.phone("1002", Transport::Tcp);
    // The registrations name other hosts; the harness panics if anything is sent there.
    assert_eq!(w.registers_contact(ann, "<sip:1001@203.0.113.9:99>;expires=600", "").status.code(), 200);
    let path = "Supported: path\r\nPath: <sip:203.0.113.8:98;lr>\r\n";
    assert_eq!(w.registers_contact(bob, "<sip:1002@203.0.113.7;transport=tcp>", path).status.code(), 200);
    let record_route = "Record-Route: <sip:203.0.113.6;lr>\r\n";
    let mut a = w.calls_with(ann, "1002", &audio(4000), record_route);
    let mut b = w.rung(bob);
    assert_eq!(b.invite.uri.to_string(), "sip:1002@203.0.113.7;transport=tcp");
    w.answers_with(&b, 200, &audio(5000), "Record-Route: <sip:203.0.113.5;lr>\r\n");
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.hangs_up(&mut b);
    w.is_hung_up(&mut a);
    w.finish();
}

#[test]
fn a_site_phone_that_pretends_to_be_asterisk_is_challenged() {
    let mut w = World::with_asterisk();
    let thief = w.phone("1005", Transport::Udp);
    let mut line = w.line(thief, "1001", "1002");
    line.local = "<sip:1001@127.0.0.1>;tag=x".to_owned();
    w.invites(&mut line, &audio(4000), "P-Asserted-Identity: <sip:1001@127.0.0.1>\r\n");
    w.refused(&mut line, 407);
    w.finish();
}
