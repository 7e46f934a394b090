//! Files good and bad through the loader that the daemon uses.

use std::path::Path;
use std::time::Duration;

use super::*;

fn load_text(text: &str) -> Result<Config, ConfigError> {
    parse(Path::new("b.toml"), text, &Environment::default())
}

/// The problems of `text`, a line each.
fn problems(text: &str) -> Vec<String> {
    let error = load_text(text).expect_err("this file is bad");
    error.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_file_runs_branchline_alone() {
    let config = load_text("").unwrap();
    assert_eq!(config, Config::default());
    assert!(config.asterisk.is_none());
    assert_eq!(config.sip.listen.len(), 1, "TLS only: nothing unencrypted unless asked for");
    assert_eq!(config.sip.listen[0].transport, Transport::Tls);
    assert_eq!(config.sip.tls.certificate, Certificate::Own);
    assert_eq!(config.https.unwrap().certificate, Certificate::Own);
    assert_eq!(config.numbers.emergency, ["112", "911"]);
}

#[test]
fn values_arrive_where_they_belong() {
    let config = load_text(
        r#"
        [office]
        id = "BRU"
        country-code = "32"
        [sip]
        realm = "bru.example"
        [[sip.listen]]
        transport = "udp"
        address = "192.168.10.2:5060"
        networks = ["192.168.10.0/24"]
        [[sip.listen]]
        transport = "tls"
        address = "[::]:5061"
        name = "phones"
        [sip.tls]
        certificate = "credential:tls.crt"
        key = "credential:tls.key"
        client-certificate = "required"
        crl = "/etc/branchline/site.crl"
        [sip.limits]
        message-size = "16KiB"
        [https]
        enabled = false
        [asterisk]
        enabled = true
        [media]
        phone-ports = "30000-30999"
        "#,
    )
    .unwrap();
    assert_eq!(config.office.id.as_str(), "BRU");
    assert_eq!(config.office.name, "BRU");
    assert_eq!(config.sip.listen[1].name, "phones");
    let crt = "/run/credentials/branchline.service/tls.crt".into();
    let key = "/run/credentials/branchline.service/tls.key".into();
    assert_eq!(config.sip.tls.certificate, Certificate::Files { certificate: crt, key });
    assert_eq!(config.sip.limits.message_size, 16_384);
    assert!(config.https.is_none());
    assert_eq!(config.asterisk.unwrap().probe, Duration::from_secs(5));
    assert_eq!(config.media.phone_ports.first(), 30_000);
}

#[test]
fn an_uplink_is_there_when_brokers_are_named() {
    assert!(load_text("[uplink]\n").unwrap().uplink.is_none());
    let config = load_text(
        r#"
        [office]
        id = "BRU"
        [uplink]
        brokers = ["mqtts://one.example", "mqtt://127.0.0.1:1884"]
        ca = "/etc/branchline/uplink-ca.pem"
        certificate = "credential:uplink.crt"
        key = "credential:uplink.key"
        outbox-size = "1MiB"
        [uplink.route-keys]
        ops-2026 = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        ops-2027 = """
            -----BEGIN PUBLIC KEY-----
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
            -----END PUBLIC KEY-----
        """
        "#,
    );
    let uplink = config.unwrap().uplink.unwrap();
    let brokers: Vec<String> = uplink.brokers.iter().map(ToString::to_string).collect();
    assert_eq!(brokers, ["mqtts://one.example:8883", "mqtt://127.0.0.1:1884"]);
    assert_eq!(uplink.client_id, "BRU");
    assert_eq!(
        uplink.tls.unwrap().own.unwrap().1,
        Path::new("/run/credentials/branchline.service/uplink.key")
    );
    assert_eq!((uplink.outbox_size, uplink.keep_alive), (1 << 20, Duration::from_secs(15)));
    let keys: Vec<_> = uplink.route_keys.iter().map(|key| (key.kid.as_str(), key.key[0])).collect();
    assert_eq!(keys, [("ops-2026", 0xd7), ("ops-2027", 0x19)]);
}

#[test]
fn a_bad_uplink_is_refused_by_line_and_key() {
    let text = "[uplink]\nbrokers = [\"mqtt://b.example\", \"mqtts://[::1]:8883\", \"http://b\"]\n\
                key = \"/k\"\nretry-min = \"2m\"\nretry-max = \"1m\"\nkeep-alive = \"1s\"\n\
                [uplink.route-keys]\nops = \"short\"\n";
    let said = problems(text).join("\n");
    for expected in [
        "b.toml:2:12: uplink.brokers: \"mqtt://b.example\" is not encrypted",
        "b.toml:2:32: uplink.brokers: an IPv6 address cannot stand here",
        "b.toml:2:54: uplink.brokers: expected a broker as in",
        "b.toml:3:7: uplink.key: certificate and key come together: set uplink.certificate too",
        "uplink.retry-min (\"2m\") to be no longer than",
        "b.toml:6:14: uplink.keep-alive: expected a time from \"5s\" to \"1h\"",
        "b.toml:8:7: uplink.route-keys.ops: expected an Ed25519 public key",
    ] {
        assert!(said.contains(expected), "no {expected} in\n{said}");
    }
    let alone = problems("[uplink]\nkeep-alive = \"30s\"\n").join("\n");
    assert!(alone.contains("uplink.brokers: expected one to 8 brokers"), "{alone}");
    let no_ca = problems("[uplink]\nbrokers = [\"mqtts://b.example\"]\n").join("\n");
    assert!(no_ca.contains("uplink.ca: a broker by TLS needs the CA"), "{no_ca}");
}

#[test]
fn systemd_says_where_directories_and_credentials_are() {
    let environment = Environment {
        credentials: Some("/run/credentials/x".into()),
        state: Some("/var/lib/private/branchline".into()),
        ..Environment::default()
    };
    let text = "[sip.tls]\ncertificate = \"/c.pem\"\nkey = \"credential:k\"\n";
    let config = parse(Path::new("b.toml"), text, &environment).unwrap();
    assert_eq!(config.paths.state, Path::new("/var/lib/private/branchline"));
    assert_eq!(config.paths.control_socket(), Path::new("/run/branchline/control.sock"));
    let Certificate::Files { key, .. } = config.sip.tls.certificate else { panic!("files were named") };
    assert_eq!(key, Path::new("/run/credentials/x/k"));
}

#[test]
fn a_misspelt_key_is_named_with_its_place_and_the_nearest() {
    assert_eq!(
        problems("[sip.registrar]\n\nmin_expire = \"60s\"\n"),
        ["b.toml:3:1: sip.registrar.min_expire: unknown key; did you mean `min-expires`?"]
    );
    let far = problems("[records]\ncolour = 3\n");
    assert_eq!(far, ["b.toml:2:1: records.colour: unknown key; expected one of keep, max-age"]);
    assert_eq!(problems("[sips]\n"), ["b.toml:1:2: sips: unknown key; did you mean `sip`?"]);
}

#[test]
fn every_problem_of_a_file_is_reported_in_its_order() {
    let found = problems(
        r#"[office]
id = "brussels"
colour = "red"
[sip.registrar]
min-expires = "2h"
max-expires = 7200
[[sip.listen]]
transport = "udp"
address = "0.0.0.0:5060"
[[sip.listen]]
transport = "sctp"
address = "0.0.0.0"
[media]
phone-ports = "20000-20099"
webrtc-port = 20010
dscp = 300
[numbers]
emergency = ["112", "fire"]
"#,
    );
    let starts = [
        "b.toml:2:6: office.id: expected two to eight capital letters and digits",
        "b.toml:3:1: office.colour: unknown key; expected one of id, name, country-code",
        "b.toml:5:15: sip.registrar.min-expires: expected sip.registrar.min-expires (\"2h\") to be no longer than",
        "b.toml:6:15: sip.registrar.max-expires: invalid type: integer `7200`, expected a time with its unit",
        "b.toml:8:13: sip.listen.transport: UDP is not encrypted: name the networks",
        "b.toml:11:13: sip.listen.transport: expected \"udp\", \"tcp\" or \"tls\", found \"sctp\"",
        "b.toml:12:11: sip.listen.address: expected an address and port",
        "b.toml:14:15: media.phone-ports: holds 50 pairs of ports; calls.max (200) can need 400",
        "b.toml:15:15: media.webrtc-port: port 20010 lies within media.phone-ports",
        "b.toml:16:8: media.dscp: invalid value: integer `300`, expected u8",
        "b.toml:18:21: numbers.emergency: expected two to six digits",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (line, start) in found.iter().zip(starts) {
        assert!(line.starts_with(start), "\n{line}\n{start}");
    }
}

#[test]
fn bad_toml_is_placed_too() {
    let found = problems("[office\nid = \"BRU\"\n");
    assert!(found[0].starts_with("b.toml:1:"), "{found:?}");
    let found = problems("[office]\nid = \"BRU\"\nid = \"PAR\"\n");
    assert!(found[0].starts_with("b.toml:3:1: duplicate key `id`"), "{found:?}");
    assert!(!problems("\u{0}\u{feff}[[[=").is_empty());
}

#[test]
fn keys_that_belong_together_are_checked_together() {
    let cases = [
        (
            "[sip.tls]\ncertificate = \"/c\"\n",
            "b.toml:2:15: sip.tls.certificate: a certificate needs its private key",
        ),
        ("[https]\nkey = \"/k\"\n", "b.toml:2:7: https.key: a private key needs its certificate"),
        (
            "[sip.tls]\nca = \"/ca\"\n",
            "b.toml:2:6: sip.tls.ca: has no effect while client-certificate is \"off\"",
        ),
        (
            "[https]\naddress = \"0.0.0.0:5061\"\n",
            "b.toml:2:11: https.address: 0.0.0.0:5061 is already taken by the SIP listener",
        ),
        ("[calls]\nmax = 300\n", "b.toml: media.phone-ports: holds 500 pairs"),
        ("[asterisk]\nlocal = \"127.0.0.1:5080\"\n", "b.toml:2:9: asterisk.local: asterisk.address and"),
        (
            "[asterisk]\nlocal = \"[::1]:5070\"\n",
            "b.toml:2:9: asterisk.local: asterisk.address and asterisk.local must both",
        ),
        ("[media]\ntrunk-port = 19000\n", "b.toml:2:14: media.trunk-port: media.webrtc-port and"),
        (
            "[sip.tls]\ncertificate = \"c\"\nkey = \"credential:../k\"\n",
            "b.toml:2:15: sip.tls.certificate: expected an absolute path",
        ),
        ("[paths]\nstate-dir = \"state\"\n", "b.toml:2:13: paths.state-dir: expected an absolute path"),
        (
            "[sip.limits]\nconnections = 10\nconnections-per-source = 20\n",
            "b.toml:3:26: sip.limits.connections-per-source",
        ),
        (
            "[sip.limits]\nmessage-size = \"1B\"\n",
            "b.toml:2:16: sip.limits.message-size: expected a size from",
        ),
    ];
    for (text, start) in cases {
        let found = problems(text);
        assert!(found[0].starts_with(start), "\n{}\n{start}", found[0]);
    }
}

#[test]
fn two_listeners_need_two_names_and_two_sockets() {
    let listen = |name: &str, transport: &str, address: &str| {
        format!(
            "[[sip.listen]]\n{name}transport = \"{transport}\"\naddress = \"{address}\"\nnetworks = [\"10.0.0.0/8\"]\n"
        )
    };
    let udp_and_tcp = listen("", "udp", "10.0.0.1:5060") + &listen("", "tcp", "10.0.0.1:5060");
    assert!(load_text(&udp_and_tcp).is_ok(), "one port serves UDP and TCP");
    let same_socket = listen("", "tcp", "10.0.0.1:5060") + &listen("", "tls", "10.0.0.1:5060");
    assert!(problems(&same_socket)[0].contains("already taken by \"sip-tcp\""));
    assert!(
        problems("[[sip.listen]]\ntransport = \"tls\"\n")[0].starts_with("b.toml:1:1: sip.listen: expected")
    );
    let same_name = listen("", "udp", "10.0.0.1:5060") + &listen("", "udp", "10.0.0.1:5062");
    assert!(problems(&same_name)[0].contains("give each its own `name`"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(Path::new("/nonexistent/b.toml"), &Environment::default()).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/b.toml: cannot be read: No such file"), "{error}");
}

#[test]
fn a_flood_of_problems_ends() {
    let text = (0..200).map(|n| format!("unknown-{n} = 1")).collect::<Vec<_>>().join("\n");
    let error = load_text(&text).unwrap_err();
    assert_eq!(error.problems.len(), 50);
}

#[test]
fn every_shipped_file_is_valid() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut checked = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            load(&path, &Environment::default()).unwrap_or_else(|error| panic!("{error}"));
            checked += 1;
        }
    }
    assert!(checked > 0, "config/branchline.toml is shipped");
}
