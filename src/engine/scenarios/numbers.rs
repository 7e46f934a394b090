//! What is dialled finds the extension however it is written.

use super::descriptions::audio;
use super::world::World;
use crate::engine::web::{WebRefusal, WebRequest};

#[test]
fn a_phone_dials_the_home_countrys_code() {
    for number in ["32-1002", "+321002"] {
        let mut w = World::alone();
        let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
        let mut a = w.calls(ann, number, &audio(4000));
        let mut b = w.rung(bob);
        w.answers(&b, 486, "");
        w.asked(&mut b, "ACK");
        w.refused(&mut a, 486);
        assert_eq!(w.records()[0].to, "1002");
        w.finish();
    }
}

#[test]
fn a_page_names_a_participant() {
    for to in ["1002", "SIP/1002", "PJSIP/1002", "Local/32-1002", "(32) 1002"] {
        let mut w = World::alone();
        let (ann, bob) = (w.page("1001", "ann"), w.udp_phone("1002"));
        let call = w.dials(&ann, to);
        assert_eq!(call.peer, "1002", "{to}");
        let mut b = w.rung(bob);
        w.answers(&b, 180, "");
        w.sees(&ann, "ringing");
        w.page_ends(&ann, call.id);
        w.sees(&ann, "ended");
        w.is_cancelled(&mut b);
        w.leaves(&ann);
        w.finish();
    }
}

#[test]
fn what_is_no_number_is_refused() {
    let mut w = World::alone();
    let ann = w.page("1001", "ann");
    for to in ["", "PJSIP/", "PJSIP/1002/1003", "two words", "1002@elsewhere"] {
        let dial = WebRequest::Dial { to: to.to_owned(), offer: String::new() };
        assert_eq!(super::pages::refusal(&w.asks(&ann, dial)), WebRefusal::BadNumber, "{to}");
    }
    w.leaves(&ann);
    w.finish();
}
