use std::time::Duration;

use super::*;
use crate::sip::header::{Challenge, Credentials};
use crate::sip::{Method, Text, Uri};
use crate::time::WallTime;

const NOW: WallTime = WallTime(1_700_000_000_000);

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

fn server() -> Authenticator {
    Authenticator::new("branch.example", NonceKey::new([9; 32]), Duration::from_secs(300), 8)
}

fn credentials(challenge: &Challenge, password: &str, nc: u32) -> Credentials {
    let keys = UserKeys::new("1001", &challenge.realm, password);
    answer(challenge, "1001", &keys, (&Method::Register, &uri("sip:branch.example")), "c0ffee", nc).unwrap()
}

fn judge(server: &mut Authenticator, credentials: &Credentials, known: bool, now: WallTime) -> Verdict {
    let keys = UserKeys::new("1001", "branch.example", "right");
    server.verify(credentials, &Method::Register, &uri("sip:branch.example"), known.then_some(&keys), now)
}

#[test]
fn the_example_of_rfc_7616_3_9_1() {
    for (algorithm, want) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let ha1 = Ha1::new(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        let inputs = Inputs {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            nc: 1,
        };
        assert_eq!(response(&ha1, inputs).as_str(), want);
    }
}

fn challenges(server: &Authenticator, now: WallTime, salt: u64, stale: bool) -> Vec<Challenge> {
    server.challenges(now, salt, stale, &[Algorithm::Sha256, Algorithm::Md5]).collect()
}

#[test]
fn both_algorithms_are_accepted() {
    let mut server = server();
    let challenges = challenges(&server, NOW, 1, false);
    assert_eq!(challenges[0].algorithm(), Some(Algorithm::Sha256));
    assert_eq!(choose(&challenges), Ok(&challenges[0]));
    for (n, challenge) in challenges.iter().enumerate() {
        let credentials = credentials(challenge, "right", n as u32 + 1);
        let read = Credentials::parse(&Text::from(&credentials)).unwrap();
        assert_eq!(judge(&mut server, &read, true, NOW), Verdict::Accepted);
    }
}

#[test]
fn unknown_user_and_wrong_password_are_alike() {
    let mut server = server();
    let challenge = &challenges(&server, NOW, 1, false)[0];
    let wrong = judge(&mut server, &credentials(challenge, "wrong", 1), true, NOW);
    let unknown = judge(&mut server, &credentials(challenge, "right", 1), false, NOW);
    assert_eq!(wrong, Verdict::Rejected(Rejection::WrongPassword));
    assert_eq!(unknown, wrong);
    // Also with a nonce that has expired, or is not ours: "stale" would tell that the password was right.
    let later = NOW.plus(Duration::from_secs(301));
    assert_eq!(judge(&mut server, &credentials(challenge, "wrong", 1), true, later), wrong);
    assert_eq!(judge(&mut server, &credentials(challenge, "right", 1), false, later), wrong);
}

#[test]
fn old_and_foreign_nonces_are_stale_when_the_password_is_right() {
    let mut server = server();
    let mut challenge = challenges(&server, NOW, 1, false)[0].clone();
    let later = NOW.plus(Duration::from_secs(301));
    assert_eq!(judge(&mut server, &credentials(&challenge, "right", 1), true, later), Verdict::Stale);
    challenge.nonce = Text::from("from-before-the-restart");
    assert_eq!(judge(&mut server, &credentials(&challenge, "right", 1), true, NOW), Verdict::Stale);
    assert!(challenges(&server, NOW, 2, true)[0].to_string().ends_with("stale=true"));
}

#[test]
fn credentials_count_once() {
    let mut server = server();
    let challenge = challenges(&server, NOW, 1, false)[0].clone();
    let first = credentials(&challenge, "right", 1);
    assert_eq!(judge(&mut server, &first, true, NOW), Verdict::Accepted);
    assert_eq!(judge(&mut server, &first, true, NOW), Verdict::Rejected(Rejection::Replayed));
    assert_eq!(judge(&mut server, &credentials(&challenge, "right", 2), true, NOW), Verdict::Accepted);
    server.tidy(NOW.plus(Duration::from_secs(400)));
    assert_eq!(judge(&mut server, &credentials(&challenge, "right", 3), true, NOW), Verdict::Stale);
}

#[test]
fn failures_fill_no_table() {
    let mut server = server();
    for salt in 0..100 {
        let challenge = challenges(&server, NOW, salt, false)[0].clone();
        judge(&mut server, &credentials(&challenge, "wrong", 1), true, NOW);
    }
    assert!(server.counts_len() == 0);
    for salt in 0..100 {
        let challenge = challenges(&server, NOW.plus(Duration::from_millis(salt)), salt, false)[0].clone();
        let at = NOW.plus(Duration::from_millis(salt));
        assert_eq!(judge(&mut server, &credentials(&challenge, "right", 1), true, at), Verdict::Accepted);
    }
    assert_eq!(server.counts_len(), 8);
}

#[test]
fn each_part_that_is_wrong_has_its_name() {
    let mut server = server();
    let challenge = challenges(&server, NOW, 1, false)[0].clone();
    let good = credentials(&challenge, "right", 1);
    let mut refuse = |change: &dyn Fn(&mut Credentials)| {
        let mut changed = good.clone();
        change(&mut changed);
        match judge(&mut server, &changed, true, NOW) {
            Verdict::Rejected(rejection) => rejection,
            verdict => panic!("{verdict:?}"),
        }
    };
    assert_eq!(refuse(&|c| c.realm = Text::from("other")), Rejection::Realm);
    assert_eq!(refuse(&|c| c.algorithm = Some(Text::from("SHA-512-256"))), Rejection::Algorithm);
    assert_eq!(refuse(&|c| c.qop = None), Rejection::Qop);
    assert_eq!(refuse(&|c| c.qop = Some(Text::from("auth-int"))), Rejection::Qop);
    assert_eq!(refuse(&|c| c.nc = None), Rejection::Qop);
    assert_eq!(refuse(&|c| c.cnonce = None), Rejection::Qop);
    assert_eq!(refuse(&|c| c.response = Text::from("")), Rejection::WrongPassword);
    assert_eq!(refuse(&|c| c.uri = Text::from("sip:elsewhere.example")), Rejection::WrongPassword);
    let keys = UserKeys::new("1001", "branch.example", "right");
    let other = uri("sip:elsewhere.example");
    let moved = answer(&challenge, "1001", &keys, (&Method::Register, &other), "c", 9).unwrap();
    assert_eq!(judge(&mut server, &moved, true, NOW), Verdict::Rejected(Rejection::Uri));
}

#[test]
fn a_device_may_sign_the_domain_alone_but_no_other_user() {
    let mut server = server();
    let challenge = challenges(&server, NOW, 1, false).remove(0);
    let keys = UserKeys::new("1001", "branch.example", "right");
    let mut call = |signed: &str, nc| {
        let given = answer(&challenge, "1001", &keys, (&Method::Invite, &uri(signed)), "c", nc).unwrap();
        server.verify(&given, &Method::Invite, &uri("sip:600@branch.example"), Some(&keys), NOW)
    };
    assert!(matches!(call("sip:branch.example:5060", 1), Verdict::Accepted));
    assert!(matches!(call("sip:branch.example:5060", 1), Verdict::Rejected(_) | Verdict::Stale), "replayed");
    assert!(matches!(call("sip:601@branch.example", 2), Verdict::Rejected(Rejection::Uri)));
}

#[test]
fn keys_go_through_storage_and_never_into_logs() {
    let keys = UserKeys::new("1001", "r", "p");
    for key in [&keys.sha256, &keys.md5] {
        let again = Ha1::from_hex(key.algorithm(), &key.to_hex()).unwrap();
        assert_eq!(*again.to_hex(), *key.to_hex());
        assert!(!format!("{keys:?}").contains(key.to_hex().as_str()));
    }
    assert!(Ha1::from_hex(Algorithm::Sha256, &keys.md5.to_hex()).is_none());
    assert_eq!(format!("{:?}", keys.md5), "Ha1(MD5, <redacted>)");
}

#[test]
fn the_server_proves_itself() {
    let server = server();
    let challenge = &challenges(&server, NOW, 1, false)[0];
    let given = credentials(challenge, "right", 1);
    let keys = UserKeys::new("1001", "branch.example", "right");
    let info = server.accepted_info(&given, &keys).unwrap();
    let inputs =
        Inputs { method: "", uri: "sip:branch.example", nonce: &challenge.nonce, cnonce: "c0ffee", nc: 1 };
    assert_eq!(info.rspauth.as_deref(), Some(response(&keys.sha256, inputs).as_str()));
}

#[test]
fn a_client_refuses_what_it_cannot_do() {
    let mut challenge = challenges(&server(), NOW, 1, false)[0].clone();
    challenge.qop = None;
    assert_eq!(choose(std::slice::from_ref(&challenge)), Err(ClientError::Qop));
    challenge.algorithm = Some(Text::from("SHA-512-256"));
    assert_eq!(choose(&[challenge]), Err(ClientError::Algorithm));
}
