//! Users of other offices sign in.

use super::harness::{OWN_TOKEN, Server, Setup};
use crate::api::LockoutRule;

async fn who(server: &Server, token: &str) -> (u16, serde_json::Value) {
    let answer = server.get("/api/v1/voip/session", &[("Authorization", &format!("Bearer {token}"))]).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_visitor_signs_in_with_the_password_of_home_and_ours_as_visitors_would() {
    let server = Server::start(Setup::default()).await;
    for written in ["32-2001", "BRU-2001"] {
        let answer = server.sign_in(written, "abroad").await;
        assert_eq!(answer.status, 200, "{written}: {}", answer.body);
        let session = answer.json();
        assert_eq!((&session["extension"], &session["name"]), (&"32-2001".into(), &"Ann of BRU".into()));
        let (status, view) = who(&server, session["token"].as_str().unwrap()).await;
        assert_eq!((status, &view["extension"]), (200, &"32-2001".into()));
    }
    let ours = server.sign_in("32-1001", "secret").await.json();
    assert_eq!(ours["extension"], "1001");
}

#[tokio::test]
async fn wrong_and_unknown_get_the_same_answer_and_guesses_are_counted_however_the_name_is_written() {
    let mut setup = Setup::default();
    setup.limits.lockout = LockoutRule { failures: 3, ..setup.limits.lockout };
    let server = Server::start(setup).await;
    let wrong = server.sign_in("32-2001", "guess").await;
    let unknown = server.sign_in("32-2999", "guess").await;
    assert_eq!((wrong.status, &wrong.body), (401, &unknown.body));
    for written in ["BRU-2001", "32-2001"] {
        assert_eq!(server.sign_in(written, "guess").await.reason(), "wrong-credentials");
    }
    for written in ["BRU-2001", "32-2001"] {
        assert_eq!(server.sign_in(written, "abroad").await.reason(), "locked-out", "{written}");
    }
    assert_eq!(who(&server, OWN_TOKEN).await.0, 200, "others are not");
}

#[tokio::test]
async fn a_forged_visitors_token_is_refused_and_one_that_signed_out_stays_out() {
    let server = Server::start(Setup::default()).await;
    let answer = server.sign_in("32-2001", "abroad").await.json();
    let token = answer["token"].as_str().unwrap();
    assert_eq!(who(&server, &token.replacen("32-2001", "32-2002", 1)).await.0, 401);
    assert_eq!(who(&server, &format!("{token}0")).await.0, 401);
    let bearer = format!("Bearer {token}");
    let out = server.ask("DELETE", "/api/v1/voip/session", &[("Authorization", &bearer)], "").await;
    assert_eq!(out.status, 204);
    assert_eq!(who(&server, token).await.0, 401);
}
