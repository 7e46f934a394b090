use super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|flaw| panic!("{text}: {flaw}"))
}

#[test]
fn what_is_read_is_written_back() {
    for text in [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:1001@[2001:db8::1]:5061;transport=tls;lr",
        "sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6;ob",
        "tel:+1-555-0100",
        "tel:7042;phone-context=example.com",
        "urn:service:sos.fire",
        "http://www.example.com/a?b#c",
    ] {
        assert_eq!(uri(text).to_string(), text);
        assert_eq!(uri(text).detached(), uri(text));
    }
}

#[test]
fn parts_are_where_they_belong() {
    let uri = uri("sips:a%20b:pw@[::1]:5071;transport=WS;lr;ob;gr=x:y?h=v&i");
    let sip = uri.as_sip().unwrap();
    assert!(sip.secure && sip.lr() && sip.ob());
    assert_eq!(sip.user().unwrap(), "a b");
    assert_eq!(sip.password.as_deref(), Some("pw"));
    assert_eq!(sip.port, Some(5071));
    assert_eq!(sip.transport(), Some(Transport::Wss));
    assert_eq!(sip.gr().unwrap(), "x:y");
    assert_eq!(sip.header_pairs().count(), 2);
    assert!(format!("{uri:?}").contains("<redacted>") && !format!("{uri:?}").contains("pw"));
}

#[test]
fn what_is_no_uri_is_refused() {
    for text in [
        "",
        "sip:",
        "alice",
        ":x",
        "1sip:x",
        "sip:a b@c",
        "sip:@example.com",
        "sip:a@",
        "sip:a%4@b",
        "sip:a@b:c",
        "sip:a@b;",
        "sip:a@b;;x",
        "sip:a@b?",
        "sip:<a@b>",
        "tel:",
        "tel:+",
        "tel:call me",
        "sip:a\"@b",
        "sip:a@b\r\nX: y",
    ] {
        assert!(text.parse::<Uri>().is_err(), "{text}");
    }
    assert_eq!(format!("sip:{}@b", "a".repeat(limits::URI)).parse::<Uri>(), Err(Flaw::TooLong));
}

#[test]
fn emergency_services_are_known() {
    assert!(uri("urn:service:sos").is_emergency_service());
    assert!(uri("URN:service:SOS.police").is_emergency_service());
    assert!(!uri("urn:service:sosx").is_emergency_service());
    assert!(!uri("sip:sos@example.com").is_emergency_service());
}

#[test]
fn equivalent_as_in_rfc_3261_19_1_4() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-555-0100", "tel:+15550100"),
        ("URN:service:sos", "urn:service:sos"),
    ] {
        assert!(uri(a).equivalent(&uri(b)), "{a} {b}");
        assert!(uri(b).equivalent(&uri(a)), "{b} {a}");
    }
}

#[test]
fn not_equivalent_as_in_rfc_3261_19_1_4() {
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("sip:a%3Bb@c", "sip:a;b@c"),
        ("sip:null-%00-null@example.com", "sip:null--null@example.com"),
        ("sip:%00@host5.example.com", "sip:%00%00@host5.example.com"),
        ("tel:+15550100", "sip:+15550100@b"),
    ] {
        assert!(!uri(a).equivalent(&uri(b)), "{a} {b}");
        assert!(!uri(b).equivalent(&uri(a)), "{b} {a}");
    }
}
