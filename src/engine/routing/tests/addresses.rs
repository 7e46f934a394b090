use super::*;

#[test]
fn addresses_are_read_and_written() {
    for (text, written) in [
        ("sip:par.example:5061;transport=tls", "sip:par.example:5061;transport=tls"),
        ("sips:par.example", "sip:par.example:5061;transport=tls"),
        ("sip:192.0.2.7", "sip:192.0.2.7:5060;transport=udp"),
        ("sip:[2001:db8::1]:5070;transport=tcp", "sip:[2001:db8::1]:5070;transport=tcp"),
        ("wss://gw.example", "wss://gw.example:443/"),
        ("wss://gw.example:8443/sip", "wss://gw.example:8443/sip"),
        ("iax2:par", "iax2:par"),
        ("pjsip:carrier", "pjsip:carrier"),
    ] {
        let address: LinkAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), written);
        assert_eq!(written.parse(), Ok(address), "it reads as it is written");
    }
}

#[test]
fn bad_addresses_say_what_was_expected() {
    for bad in [
        "",
        "par.example",
        "sip:",
        "sip:x@par.example",
        "sip:par.example;transport=ws",
        "sip:par.example:0",
        "sips:par.example;transport=udp",
        "ws://gw.example",
        "wss:gw.example",
        "wss://user@gw.example",
        "wss://gw.example/a b",
        "iax2:",
        "iax2:a,b",
        "pjsip:a/b",
        "http://x",
    ] {
        assert!(bad.parse::<LinkAddress>().is_err(), "{bad}");
    }
    let long = format!("sip:{}", "a".repeat(300));
    assert!(long.parse::<LinkAddress>().is_err());
}

#[test]
fn a_link_must_fit_its_kind() {
    for (text, field) in [
        ("a SipTrunk PAR sip:par.example", "address"),
        ("a SipTrunk - sips:par.example", "office"),
        ("a SipTrunk PAR iax2:par", "address"),
        ("a IaxTrunk PAR sips:par.example", "address"),
        ("a IaxTrunk PAR pjsip:par", "address"),
        ("a ApiGateway - sip:gw.example", "address"),
        ("a PstnGateway - wss://gw.example", "address"),
        ("a PstnGateway - iax2:carrier", "address"),
    ] {
        assert_eq!(link(text).flaw().map(|(field, _)| field), Some(field), "{text}");
    }
    for text in [
        "a SipTrunk PAR sips:par.example",
        "a IaxTrunk PAR iax2:par",
        "a ApiGateway - wss://gw.example/sip",
        "a ApiGateway PAR sips:gw.example",
        "a PstnGateway - sip:carrier.example",
        "a PstnGateway - pjsip:carrier",
    ] {
        assert_eq!(link(text).flaw(), None, "{text}");
    }
}

#[test]
fn a_policy_has_bounds() {
    let sound = link("a SipTrunk PAR sips:par.example");
    let with = |health| Link { health, ..sound.clone() }.flaw().map(|(field, _)| field);
    let policy = HealthPolicy::default();
    assert_eq!(with(HealthPolicy { probe: Duration::ZERO, ..policy }), None);
    assert_eq!(with(HealthPolicy { probe: Duration::from_millis(10), ..policy }), Some("health.probe"));
    assert_eq!(with(HealthPolicy { timeout: Duration::ZERO, ..policy }), Some("health.timeout"));
    assert_eq!(with(HealthPolicy { fail_after: 0, ..policy }), Some("health.fail-after"));
    assert_eq!(with(HealthPolicy { recover_after: 21, ..policy }), Some("health.recover-after"));
    assert_eq!(Link { max_calls: Some(0), ..sound.clone() }.flaw().map(|f| f.0), Some("max-calls"));
    assert_eq!(Link { registration: Some(seconds(600)), ..sound }.flaw().map(|f| f.0), Some("register"));
}

#[test]
fn names_are_plain() {
    for bad in ["", "-a", "a b", "é", &"a".repeat(65)] {
        assert!(bad.parse::<LinkId>().is_err(), "{bad}");
    }
    assert_eq!("par-sip.2_x".parse::<LinkId>().unwrap().as_str(), "par-sip.2_x");
}
