//! Who is in the office, and what a written number means.

use serde_json::{Value, json};

use super::harness::{Answer, OWN_TOKEN, Server, Setup};

async fn get(server: &Server, path: &str) -> Answer {
    let bearer = format!("Bearer {OWN_TOKEN}");
    server.get(&format!("/api/v1/voip/extensions{path}"), &[("Authorization", &bearer)]).await
}

#[tokio::test]
async fn a_number_is_taken_apart_by_a_link_too() {
    let server = Server::start(Setup::default()).await;
    for (query, number) in [
        ("?number=32-001-00-00-00", "32-001000000"),
        ("?number=1-800-123-4567", "1-8001234567"),
        ("?number=%2B321001", "32-1001"),
        ("?number=+32%201001", "32-1001"),
    ] {
        let answer = get(&server, &format!("/parse{query}")).await;
        assert_eq!(
            (answer.status, &answer.json()["number"]),
            (200, &number.into()),
            "{query}: {}",
            answer.body
        );
    }
    for (query, status, reason) in [("", 400, "bad-parameter"), ("?number=", 422, "bad-number")] {
        let answer = get(&server, &format!("/parse{query}")).await;
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{query}");
    }
}

#[tokio::test]
async fn an_extension_of_another_office_is_shown_as_the_roaming_cache_knows_it() {
    let server = Server::start(Setup::default()).await;
    for written in ["32-2001", "BRU-2001"] {
        let answer = get(&server, &format!("/{written}")).await;
        let expected = json!({"number": "32-2001", "country_code": "32", "country": "Belgium", "local": "2001",
            "source": "roaming-cache", "home": "BRU", "place": "visiting", "office": "NYC", "since": 1000, "age": 12});
        assert_eq!((answer.status, answer.json()), (200, expected), "{written}");
    }
    assert_eq!(get(&server, "/33-2001").await.reason(), "no-such-extension");
    assert_eq!(get(&server, "/PAR-2001").await.reason(), "bad-number");
}

async fn parse(server: &Server, number: &str) -> Answer {
    server.post("/extensions/parse", OWN_TOKEN, &json!({ "number": number }).to_string()).await
}

fn numbers(answer: &Answer) -> Vec<String> {
    let items = answer.json()["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|one| one["number"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn numbers_are_taken_apart() {
    let server = Server::start(Setup::default()).await;
    let belgium = |number: &str, local: &str, dial: &str, exists: bool| {
        json!({"kind": "extension", "number": number, "country_code": "32", "country": "Belgium", "local": local,
            "dial": dial, "exists": exists})
    };
    let cases: [(&str, Value); 7] = [
        ("1001", belgium("1001", "1001", "1001", true)),
        ("32-1001", belgium("32-1001", "1001", "1001", true)),
        ("32-001-00-00-00", belgium("32-001000000", "001000000", "001000000", false)),
        (
            "1-800-123-4567",
            json!({"kind": "extension", "number": "1-8001234567", "country_code": "1",
                "country": "North American Numbering Plan", "local": "8001234567", "dial": "1-8001234567",
                "exists": false}),
        ),
        (
            "+352 26 12 34",
            json!({"kind": "external", "number": "+352261234", "country_code": "352", "country": "Luxembourg",
                "local": "261234", "dial": "+352261234", "exists": false}),
        ),
        ("1-1-2", json!({"kind": "emergency", "number": "112", "dial": "112", "exists": false})),
        ("*97", json!({"kind": "service", "number": "*97", "dial": "*97", "exists": false})),
    ];
    for (number, expected) in cases {
        let answer = parse(&server, number).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{number}");
    }
}

#[tokio::test]
async fn errors_name_what_was_wrong() {
    let server = Server::start(Setup::default()).await;
    for (number, words) in [
        ("", "the number is empty"),
        ("10a1", "character 3 is 'a'"),
        ("+2101001", "`210` is not a country calling code"),
        ("+1234567890123456", "expected at most 15"),
    ] {
        let answer = parse(&server, number).await;
        assert_eq!((answer.status, answer.reason().as_str()), (422, "bad-number"), "{number}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{number}: {}", answer.body);
    }
    for (path, status, reason, words) in [
        ("/1999", 404, "no-such-extension", "1999"),
        ("/alice", 422, "bad-number", "character 1 is 'a'"),
        ("/by-country/999", 404, "unknown-country", "`999` is not a country calling code"),
        ("/by-country/32?limit=0", 400, "bad-parameter", "limit: a number from 1 to 200"),
        ("?after=x", 400, "bad-parameter", "after"),
    ] {
        let answer = get(&server, path).await;
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{path}: {}", answer.body);
    }
    let strange = server.get("/api/v1/voip/extensions", &[]).await;
    assert_eq!((strange.status, strange.reason().as_str()), (401, "unauthorized"));
}

#[tokio::test]
async fn everybody_is_listed_page_by_page_and_by_country() {
    let server = Server::start(Setup::default()).await;
    for number in ["33-1003", "32-1004"] {
        server.book.set(number, "x");
    }
    let all = get(&server, "").await;
    assert_eq!(numbers(&all), ["1001", "1002", "32-1004", "33-1003"]);
    assert_eq!(
        all.json()["items"][0],
        json!({"number": "1001", "country_code": "32", "country": "Belgium", "local": "1001",
            "name": "Person 1001", "registered": true, "reachable": true, "devices": 1})
    );
    let first = get(&server, "?limit=3").await;
    assert_eq!(numbers(&first).len(), 3);
    let next = first.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(numbers(&get(&server, &format!("?limit=3&after={next}")).await), ["33-1003"]);
    assert_eq!(numbers(&get(&server, "/by-country/32").await), ["1001", "1002", "32-1004"]);
    assert_eq!(numbers(&get(&server, "/by-country/33").await), ["33-1003"]);
    assert_eq!(numbers(&get(&server, "/by-country/1").await), [""; 0]);
}

#[tokio::test]
async fn one_is_found_however_it_is_written() {
    let server = Server::start(Setup::default()).await;
    server.book.set("32-1004", "x");
    for (written, number) in [
        ("1002", "1002"),
        ("32-1002", "1002"),
        ("+321002", "1002"),
        ("%2B32%201002", "1002"),
        ("1004", "32-1004"),
        ("32-1004", "32-1004"),
    ] {
        let answer = get(&server, &format!("/{written}")).await;
        assert_eq!((answer.status, &answer.json()["number"]), (200, &number.into()), "{written}");
    }
    let countries = get(&server, "/countries").await.json();
    let countries = countries["items"].as_array().unwrap();
    assert!(
        countries.contains(&json!({"code": "32", "name": "Belgium", "extensions": 3}))
            && countries.len() > 200
    );
}
