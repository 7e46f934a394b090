//! A carrier that knows the office by registration: a fourth Asterisk, which challenges with digest.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use peers::asterisk::{self, Asterisk};
use peers::office::Setup;
use peers::wan::{self, Wan};
use peers::{Outcome, ports};
use serde_json::json;

use crate::federation::{Federation, with_asterisk};
use crate::over_links::hear_echo;
use crate::{CALL, in_a_network};

const REGISTERED: Duration = Duration::from_secs(20);

#[test]
fn calls_over_a_carrier_that_is_registered_with() -> Outcome {
    in_a_network(over_a_carrier_that_is_registered_with)
}

async fn over_a_carrier_that_is_registered_with(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let address = SocketAddr::new(wan::TEST.into(), ports::free_port(wan::TEST.into())?);
    let carrier = Asterisk::start_with(carrier(address)).await?;
    let password = federation.scratch.join("carrier-password");
    std::fs::write(&password, "line-of-bru\n")?;
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600))?;
    let credential = format!(
        "credential = [{{ name = \"carrier\", username = \"bru\", password-file = \"{}\" }}]",
        password.display()
    );
    let bru = federation.branch("BRU", numbered(with_asterisk().with("federation", credential))).await?;
    let links = json!([
        { "id": "carrier", "kind": "PstnGateway", "address": format!("sip:{address}"), "credentials": "carrier",
          "register": "60s", "health": { "probe": "0s" } },
    ]);
    federation.push(&bru, &links, &json!([{ "pattern": "0*", "links": ["carrier"] }]))?;
    let contacts =
        carrier.cli_until("pjsip show contacts", REGISTERED, |said| said.contains("bru/sip:bru@")).await?;
    assert!(contacts.contains(&bru.host.address().to_string()), "{contacts}");

    // Out: the INVITE is challenged too, and answered with the same credentials.
    let (_, mut alice) = bru.office.phone().await?;
    let mut call = alice.call("025551234")?;
    call.answered().await?;
    hear_echo(&call, CALL).await?;
    call.hang_up().await?;
    let log = carrier.log();
    assert!(log.contains("025551234 called by +3225551000"), "the carrier saw who calls");

    // In, over the registered contact: the dialplan says whose number that is. The carrier's side is an echo.
    carrier.cli("channel originate Local/in@carrier application Echo").await?;
    let incoming = alice.called().await?;
    assert_eq!(incoming.caller(), "+3226667777");
    incoming.ring();
    let mut call = incoming.answer().await?;
    hear_echo(&call, CALL).await?;
    call.hang_up().await?;
    carrier.idle(REGISTERED).await?;
    bru.office.close().await
}

/// The carrier's number of the office belongs to the first extension.
fn numbered(mut setup: Setup) -> Setup {
    if let Some(asterisk) = &mut setup.asterisk {
        let plan = "[branchline-local](+)\nexten => bru,1,Goto(branchline,1001,1)\n";
        asterisk.local.push(("extensions", plan.to_owned()));
    }
    setup
}

/// An Asterisk with a line for `bru`, on the wide-area network.
fn carrier(address: SocketAddr) -> asterisk::Setup {
    let (ip, bind) = (address.ip(), address);
    let line = format!(
        "[loopback-only](+)\npermit = 10.81.0.0/255.255.0.0\n[wan]\ntype = transport\nprotocol = udp\nbind = {bind}\n\
         [bru]\ntype = aor\nmax_contacts = 1\nremove_existing = yes\nminimum_expiration = 30\n\
         [bru]\ntype = auth\nauth_type = userpass\nusername = bru\npassword = line-of-bru\n\
         [bru]\ntype = endpoint\ntransport = wan\ncontext = carrier\naors = bru\nauth = bru\ndisallow = all\n\
         allow = alaw\ndirect_media = no\nmedia_address = {ip}\nbind_rtp_to_media_address = yes\n\
         trust_id_inbound = yes\n\
         [bru-by-address]\ntype = identify\nendpoint = bru\nmatch = 10.81.0.0/16\n"
    );
    let plan = "[carrier]\nexten => _X.,1,Verbose(1,${EXTEN} called by ${CALLERID(num)})\n same => n,Answer()\n \
                same => n,Echo()\nexten => in,1,Set(CALLERID(num)=+3226667777)\n same => n,Dial(PJSIP/bru)\n";
    asterisk::Setup {
        extensions: String::new(),
        local: vec![("pjsip", line), ("extensions", plan.to_owned())],
        ..asterisk::Setup::default()
    }
}
