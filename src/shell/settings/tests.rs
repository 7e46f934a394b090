//! What comes back from flash is what went there, and what cannot be read is named.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::api::Authenticate;
use crate::config::{Environment, parse};
use crate::engine::Change;
use crate::engine::flow::{ConnectionId, Flow, Side};
use crate::engine::registrar::{Accounts, Binding, BindingKey, DeviceKey, Reach};
use crate::observe::Redacted;
use crate::shell::store::{AccountRow, Write};
use crate::sip::digest::UserKeys;
use crate::sip::{NameAddr, Transport};
use crate::time::WallTime;

fn a_binding(device: DeviceKey, transport: Transport) -> Binding {
    let flow = Flow {
        transport,
        local: "192.0.2.1:5061".parse().unwrap(),
        remote: "[2001:db8::7]:40000".parse().unwrap(),
        connection: transport.reliable().then_some(ConnectionId(7)),
        side: Side::Site,
    };
    let contact = "sip:1001@[2001:db8::7]:40000;transport=tls;ob".parse().map(Box::new).unwrap();
    let path = vec![NameAddr::parse(&"<sip:edge.example;lr>".to_owned().into()).unwrap()];
    Binding {
        key: BindingKey { extension: "1001".parse().unwrap(), device },
        reach: Reach::Sip { contact, flow, path },
        expires: WallTime(5_000),
        created: WallTime(1_000),
        used: Some(WallTime(2_000)),
        q: 700,
        user_agent: "Phone/1".to_owned(),
        call_id: "c@x".to_owned(),
        cseq: 9,
    }
}

#[test]
fn a_binding_comes_back_as_it_went_but_for_its_connection() {
    let instance = DeviceKey::Instance { instance: "<urn:uuid:1>".to_owned(), reg_id: 2 };
    let contact = DeviceKey::Contact("sip:1001@192.0.2.7".to_owned());
    for (device, transport) in
        [(instance.clone(), Transport::Tls), (contact, Transport::Udp), (instance, Transport::Wss)]
    {
        let before = a_binding(device, transport);
        let mut expected = before.clone();
        if let Reach::Sip { flow, .. } = &mut expected.reach {
            flow.connection = None;
        }
        assert_eq!(binding(binding_row(&before).unwrap()), Ok(expected));
    }
}

#[test]
fn rows_that_cannot_be_read_are_named() {
    let row = || binding_row(&a_binding(DeviceKey::Contact("x".to_owned()), Transport::Udp)).unwrap();
    let mut bad = row();
    bad.extension = "nobody".to_owned();
    assert_eq!(binding(bad), Err(RowFlaw::Extension));
    let mut bad = row();
    bad.contact = "not a uri".to_owned();
    assert_eq!(binding(bad), Err(RowFlaw::Contact));
    let mut bad = row();
    bad.flow.remote = "somewhere".to_owned();
    assert_eq!(binding(bad), Err(RowFlaw::Flow));
    let mut bad = row();
    bad.flow.transport = "pigeon".to_owned();
    assert_eq!(binding(bad), Err(RowFlaw::Flow));
    let mut bad = row();
    bad.path = vec!["<".to_owned()];
    assert_eq!(binding(bad), Err(RowFlaw::Path));
}

#[test]
fn removing_names_the_row_that_was_put() {
    let devices = [
        DeviceKey::Instance { instance: "<urn:uuid:1>".to_owned(), reg_id: 1 },
        DeviceKey::Instance { instance: "<urn:uuid:1>".to_owned(), reg_id: 2 },
        DeviceKey::Contact("sip:1001@192.0.2.7".to_owned()),
    ];
    let mut keys = std::collections::BTreeSet::new();
    for device in devices {
        let put = a_binding(device, Transport::Udp);
        let key = put.key.clone();
        let Some(Write::PutBinding(row)) = write_of(Change::PutBinding(Box::new(put))) else {
            panic!("a row")
        };
        let Some(Write::RemoveBinding { extension, key }) = write_of(Change::RemoveBinding(key)) else {
            panic!("a removal")
        };
        assert_eq!((extension, &key), (row.extension, &row.key));
        assert!(keys.insert(key), "each device has a row of its own");
    }
}

#[test]
fn a_page_leaves_nothing_on_flash() {
    let mut page = a_binding(DeviceKey::Web("tab".to_owned()), Transport::Wss);
    page.reach = Reach::Web(None);
    assert!(write_of(Change::PutBinding(Box::new(page))).is_none());
}

fn row(keys: &UserKeys) -> AccountRow {
    AccountRow {
        extension: "1001".to_owned(),
        username: "1001".to_owned(),
        display_name: " Ann ".to_owned(),
        ha1_md5: Redacted(keys.md5.to_hex().to_string()),
        ha1_sha256: Redacted(keys.sha256.to_hex().to_string()),
        realm: "branch.example".to_owned(),
        token_sha256: Redacted("ab".repeat(32)),
        created: WallTime(0),
    }
}

#[test]
fn accounts_are_read_or_named_and_the_page_finds_them_by_token() {
    let keys = UserKeys::new("1001", "branch.example", "secret");
    let read = account(&row(&keys), "branch.example").unwrap();
    assert_eq!(read.display_name.as_deref(), Some("Ann"));
    assert_eq!(read.keys.sha256.to_hex(), keys.sha256.to_hex());
    assert_eq!(account(&row(&keys), "other.example").unwrap_err(), RowFlaw::Realm);
    let bad = AccountRow { ha1_md5: Redacted("zz".to_owned()), ..row(&keys) };
    assert_eq!(account(&bad, "branch.example").unwrap_err(), RowFlaw::Digest);
    for token in ["", "zz", "é", &"ab".repeat(31), &"zz".repeat(32)] {
        let bad = AccountRow { token_sha256: Redacted(token.to_owned()), ..row(&keys) };
        assert_eq!(account(&bad, "branch.example").unwrap_err(), RowFlaw::Token, "{token}");
    }
    let book = AccountBook::default();
    book.replace(std::iter::once(read).collect::<Accounts>());
    let found = book.by_token(&[0xab; 32]).unwrap();
    assert_eq!((found.username.as_str(), found.name.as_str()), ("1001", "Ann"));
    assert_eq!(
        found.ha1_sha256.as_ref().map(|hash| crate::shell::hex::hex(&**hash)),
        Some(keys.sha256.to_hex().to_string())
    );
    assert_eq!(book.by_extension("1001"), Some(found));
    assert_eq!((book.by_extension("1002"), book.by_token(&[0; 32])), (None, None));
    book.replace(Accounts::default());
    assert!(book.is_empty() && book.by_extension("1001").is_none());
}

fn bound(webrtc: &str) -> Bound {
    Bound {
        webrtc: webrtc.parse().unwrap(),
        trunk: "127.0.0.1:19002".parse().unwrap(),
        phone_ports: vec![PortNumbers { rtp: 20_000, rtcp: 20_001 }],
        asterisk: Some("127.0.0.1:5071".parse().unwrap()),
        fingerprint: Fingerprint::sha256([1; 32]),
    }
}

#[test]
fn settings_follow_the_configuration_and_what_was_bound() {
    let text = "[media]\nexternal-address = \"192.0.2.10\"\n[asterisk]\nenabled = true\nprobe = \"2s\"\n\
                [sip.limits]\nmessages-per-second = 7\n";
    let config = parse(Path::new("t"), text, &Environment::default()).unwrap();
    let settings = engine_settings(&config, &bound("0.0.0.0:19000"));
    assert!(!settings.media.address.is_unspecified() && !settings.media.webrtc.ip().is_unspecified());
    assert_eq!(settings.media.webrtc.port(), 19_000);
    assert_eq!(settings.rate.per_second, 7);
    let asterisk = settings.asterisk.unwrap();
    assert_eq!(asterisk.local.port(), 5071, "as bound");
    assert_eq!(asterisk.probe_timeout, Duration::from_secs(2), "no longer than the interval");
    let announced = announced(&config, &bound("192.168.1.2:19000"));
    let addresses: Vec<SocketAddr> =
        ["192.0.2.10:19000", "192.168.1.2:19000"].iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(announced, addresses);
    let alone = parse(Path::new("t"), "", &Environment::default()).unwrap();
    assert_eq!(engine_settings(&alone, &bound("192.168.1.2:19000")).asterisk, None);
}
