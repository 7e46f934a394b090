//! The people named for it are told of a call for help.

use super::descriptions::audio;
use super::far_ends::with_own;
use super::world::{World, seconds};
use crate::engine::routing::{Place, Places};
use crate::engine::settings::Settings;
use crate::engine::web::WebEvent;
use crate::sip::Message;

const OWN: &str = "own PstnGateway - sip:own.example";

fn settings() -> Settings {
    let mut settings = with_own(&[OWN]);
    let text = |text: &str| Some(text.to_owned());
    let site = Place { civic: text("Rue 1"), ..Place::default() };
    settings.routing.main_number = text("+3225551000");
    settings.routing.places = Places { site, parts: Vec::new() };
    settings.routing.emergency_contacts =
        ["1001", "1002", "1005", "1006"].map(|number| number.parse().unwrap()).to_vec();
    settings
}

#[test]
fn a_message_comes_to_phones_and_a_notice_to_pages_of_the_people_named() {
    let mut w = World::with(settings());
    let own = w.far_end("own", "");
    w.wait(seconds(1));
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let page = w.page("1005", "tab");
    let a = w.calls(ann, "112", &audio(4000));
    let words = "1001 has dialled 112. Place: Rue 1. Called back under: +3225551000.";
    let Some(Message::Request(told)) = w.peers[bob.0].inbox.pop_front() else { panic!("a message") };
    assert_eq!((told.method.as_str(), &*told.body), ("MESSAGE", words.as_bytes()));
    assert_eq!(told.from().unwrap().uri.user().unwrap(), "1001");
    assert_eq!(w.told(&page), WebEvent::Notice { reason: "emergency", text: words.to_owned() });
    assert!(w.peers[ann.0].inbox.iter().all(|one| !matches!(one, Message::Request(_))), "she knows");
    let mut line = w.line(bob, "1002", "1001");
    line.call_id = told.call_id().unwrap().to_string();
    w.responds(&line, &told, 200, "", "");
    w.leaves(&page);
    let b = w.rung(own);
    w.talks_and_ends(a, b);
}

#[test]
fn other_calls_are_nobodys_business() {
    let mut w = World::with(settings());
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (a, b) = w.talk(ann, bob);
    assert!(w.peers[bob.0].inbox.is_empty());
    w.ends(a, b);
}
