//! The non-INVITE server table.

use super::*;

const OPTIONS: &str = "z9hG4bKo1";

fn asked(lab: &mut Lab) -> (ServerId, Request) {
    lab.hears(&text("OPTIONS", OPTIONS, 1, ""));
    lab.server()
}

#[test]
fn trying_is_silent_to_repetitions() {
    let mut lab = Lab::udp();
    asked(&mut lab);
    lab.hears(&text("OPTIONS", OPTIONS, 1, ""));
    assert!(lab.event().is_none() && lab.brief().is_empty());
    assert_eq!(lab.drops(DropReason::RepeatedRequest), 1);
}

#[test]
fn proceeding_and_completed_answer_repetitions_until_j() {
    let mut lab = Lab::udp();
    let (server, request) = asked(&mut lab);
    lab.respond(server, &request, 183);
    lab.hears(&text("OPTIONS", OPTIONS, 1, ""));
    assert_eq!(lab.brief(), ["183", "183"]);
    lab.respond(server, &request, 200);
    lab.hears(&text("OPTIONS", OPTIONS, 1, ""));
    assert_eq!(lab.brief(), ["200", "200"]);
    let again = Response::to_request(&request, StatusCode::OK, None);
    assert_eq!(lab.layer.respond(lab.now, server, again.clone()), Err(RespondRefusal::Answered));
    assert_eq!(lab.pass(31_999), []);
    lab.hears(&text("OPTIONS", OPTIONS, 1, ""));
    assert_eq!(lab.brief(), ["200"]);
    lab.pass(1);
    assert_eq!(lab.layer.respond(lab.now, server, again), Err(RespondRefusal::Gone));
    lab.is_clean();
}

#[test]
fn a_reliable_transport_forgets_at_once() {
    let mut lab = Lab::tls();
    let (server, request) = asked(&mut lab);
    lab.respond(server, &request, 404);
    assert_eq!(lab.brief(), ["404"]);
    lab.is_clean();
}

#[test]
fn a_user_who_never_answers_does_not_fill_the_table() {
    let mut lab = Lab::udp();
    asked(&mut lab);
    assert_eq!(lab.pass(300_000), []);
    assert_eq!(lab.drops(DropReason::NeverAnswered), 1);
    lab.is_clean();
}

#[test]
fn full_is_answered_without_state_and_quiet_ones_make_room() {
    let limits = Limits { servers: 2, clients: 1, retry_after: 9 };
    let mut lab = Lab::new(Transport::Udp, Settings { limits, ..Settings::default() });
    let mut first = None;
    for n in 0..2 {
        lab.hears(&text("OPTIONS", &format!("z9hG4bK{n}x"), n, ""));
        first = first.or(Some(lab.server()));
    }
    lab.hears(&text("OPTIONS", "z9hG4bKnew", 3, ""));
    let Some(Message::Response(refused)) = lab.sent().pop() else { panic!("an answer") };
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers.get(&HeaderName::RetryAfter).unwrap(), "9");
    assert!(refused.to_tag().is_some() && lab.event().is_none());
    assert_eq!(lab.drops(DropReason::Full), 1);

    let (server, request) = first.unwrap();
    lab.respond(server, &request, 200);
    lab.hears(&text("OPTIONS", "z9hG4bKnew", 3, ""));
    lab.server();
    assert_eq!((lab.layer.live(), lab.drops(DropReason::Displaced)), ((2, 0), 1));
}
