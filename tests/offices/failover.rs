//! What else can go wrong with a link, and what the record of the call says of it: a peer that says 100 and then nothing, a
//! handshake that stalls, a name whose first address is dead, a peer without its Asterisk, and no link at all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peers::broker::Ear;
use peers::carrier::Carrier;
use peers::far_end::{FarEnd, Manner};
use peers::phone::Phone;
use peers::wan::{self, Wan};
use peers::{Failure, Outcome};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::federation::{Branch, Federation, name_of, with_asterisk};
use crate::in_a_network;
use crate::over_links::talk;
use crate::records::{attempts, record_of};

/// What a link that says nothing may cost a call (the carrier's answer to the caller is not in it).
const SILENCE: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(20);
/// An address that nobody has, nearer to BRU than any other office: name look-ups put it first.
const DEAD: &str = "10.81.1.99";
/// A carrier's name.
const CARRIER: &str = "sip.carrier.example";

#[test]
fn calls_survive_whatever_is_wrong_with_a_link() -> Outcome {
    in_a_network(whatever_is_wrong)
}

struct Scene {
    federation: Federation,
    bru: Branch,
    alice: Phone,
    /// As other offices see her.
    number: String,
    ear: Ear,
}

async fn whatever_is_wrong(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let hosts = federation.scratch.join("hosts");
    let names =
        format!("{DEAD} {0}\n10.81.2.1 {0}\n{DEAD} {CARRIER}\n{1} {CARRIER}\n", name_of("PAR"), wan::TEST);
    std::fs::write(&hosts, names)?;
    let mut setup = with_asterisk();
    setup.hosts = Some(hosts);
    let bru = federation.branch("BRU", setup).await?;
    let par = federation.branch("PAR", with_asterisk()).await?;
    let carrier = Carrier::start(wan::TEST.into()).await?;
    let [stuck, late, mute] = [Manner::Stuck, Manner::LateAnswer, Manner::Mute];
    let stuck = far_end(&federation, "LON", stuck).await?;
    let late = far_end(&federation, "ROM", late).await?;
    let mute = far_end(&federation, "VIE", mute).await?;
    let named = format!("sip:{}:5062;transport=tls", name_of("PAR"));
    let links = json!([
        link("lon", "LON", &far_address(&stuck), "1s"),
        link("rom", "ROM", &far_address(&late), "1s"),
        link("vie", "VIE", &far_address(&mute), "0s"),
        link("par", "PAR", &named, "0s"),
        link("syd-refused", "SYD", "sip:10.81.0.1:9;transport=tls", "1s"),
        link("syd-silent", "SYD", &format!("sip:{DEAD}:5062;transport=tls"), "1s"),
        { "id": "named", "kind": "PstnGateway", "address": format!("sip:{CARRIER}:{}", carrier.sip().port()),
          "health": { "probe": "0s" } },
        { "id": "carrier", "kind": "PstnGateway", "address": format!("sip:{}", carrier.sip()), "cost": 9,
          "health": { "probe": "0s" } },
    ]);
    let route = |office: &str, links: &[&str]| json!({ "pattern": format!("{office}-*"), "office": office, "links": links });
    let routes = json!([
        route("LON", &["lon", "carrier"]),
        route("ROM", &["rom", "carrier"]),
        route("VIE", &["vie", "carrier"]),
        route("PAR", &["par", "carrier"]),
        route("SYD", &["syd-refused", "syd-silent"]),
        { "pattern": "0*", "links": ["named"] },
    ]);
    federation.push(&bru, &links, &routes)?;
    let ear = federation.broker.listen().await?;
    let (account, alice) = bru.office.phone().await?;
    let number = format!("BRU-{}", account.extension);
    let mut scene = Scene { federation, bru, alice, number, ear };
    until_links(&scene.bru, &[("lon", "up"), ("rom", "up"), ("syd-refused", "down"), ("syd-silent", "down")])
        .await?;

    gets_stuck(&mut scene, "LON-1001", "lon", &stuck).await?;
    gets_stuck(&mut scene, "ROM-1001", "rom", &late).await?;
    // What it answered at the moment when it was taken back is acknowledged, and ended.
    late.asked_times("ACK", 1, SOON).await?;
    late.asked_times("BYE", 1, SOON).await?;
    stalls(&mut scene, &carrier).await?;
    a_dead_address_comes_first(&mut scene, &par).await?;
    a_dead_address_of_a_carrier_comes_first(&mut scene).await?;
    without_its_asterisk(&mut scene, &par).await?;
    no_link_lives(&mut scene).await?;
    drop(scene.federation);
    scene.bru.office.close().await?;
    par.office.close().await
}

async fn far_end(federation: &Federation, office: &str, manner: Manner) -> Outcome<FarEnd> {
    let own = federation.authority.issue(office, &[&wan::TEST.to_string()])?;
    FarEnd::start(SocketAddr::new(wan::TEST.into(), 0), &own, &federation.authority, manner).await
}

fn far_address(end: &FarEnd) -> String {
    format!("sip:{};transport=tls", end.address())
}

fn link(id: &str, office: &str, address: &str, probe: &str) -> Value {
    json!({
        "id": id, "kind": "SipTrunk", "office": office, "address": address, "cost": 1,
        "health": { "probe": probe, "timeout": "500ms", "fail-after": 2, "recover-after": 2 },
    })
}

/// Waits until `branchline links` shows these states.
async fn until_links(branch: &Branch, wanted: &[(&str, &str)]) -> Outcome {
    let end = Instant::now() + SOON;
    loop {
        let links = branch.office.json(&["links"]).await?;
        let rows = links.as_array().cloned().unwrap_or_default();
        let is =
            |(id, state): &(&str, &str)| rows.iter().any(|row| row["id"] == *id && row["state"] == *state);
        if wanted.iter().all(is) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(Failure::new(format!("not {wanted:?}: {links:#}")));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The peer says 100 and then nothing: it is taken back, and only then the carrier is asked.
async fn gets_stuck(scene: &mut Scene, number: &str, link: &str, end: &FarEnd) -> Outcome {
    let mut call = scene.alice.call(number)?;
    call.answered().await?;
    call.hang_up().await?;
    let asked = end.asked_times("INVITE", 1, SOON).await?;
    let cancelled = end.asked_times("CANCEL", 1, SOON).await?;
    let record = record_of(&mut scene.ear, "BRU", number).await?;
    assert_eq!(attempts(&record), [(link, "given-up", "no-progress"), ("carrier", "answered", "answered")]);
    report(&format!("{link} says 100 and nothing more"), cancelled.duration_since(asked));
    Ok(())
}

/// The peer takes the connection, and TLS does not get on.
async fn stalls(scene: &mut Scene, carrier: &Carrier) -> Outcome {
    let before = carrier.noted().len();
    let began = std::time::SystemTime::now();
    let mut call = scene.alice.call("VIE-1001")?;
    call.answered().await?;
    call.hang_up().await?;
    let at = *carrier.noted().get(before).ok_or_else(|| Failure::new("the carrier noted no call"))?;
    let took = at.duration_since(began).unwrap_or_default();
    report("a handshake that stalls: until the next link was asked", took);
    let record = record_of(&mut scene.ear, "BRU", "VIE-1001").await?;
    assert_eq!(attempts(&record), [("vie", "given-up", "timed-out"), ("carrier", "answered", "answered")]);
    if took > SILENCE {
        return Err(Failure::new(format!("it took {took:?} until the carrier was asked")));
    }
    Ok(())
}

/// The first address of the peer's name is dead: the other one is tried a quarter of a second later.
async fn a_dead_address_comes_first(scene: &mut Scene, par: &Branch) -> Outcome {
    let (b, mut bob) = par.office.phone().await?;
    let number = format!("PAR-{}", b.extension);
    talk(scene.alice.call(&number)?, &mut bob, &scene.number).await?;
    let record = record_of(&mut scene.ear, "BRU", &number).await?;
    assert_eq!(attempts(&record), [("par", "answered", "answered")]);
    Ok(())
}

/// Over UDP nothing tells but silence: the call goes to the next address, and later ones go there at once.
async fn a_dead_address_of_a_carrier_comes_first(scene: &mut Scene) -> Outcome {
    let (silent, answered) =
        (("named", "failed", "first-response-timeout"), ("named", "answered", "answered"));
    for (number, tried) in [("025551001", &[silent, answered][..]), ("025551002", &[answered][..])] {
        let mut call = scene.alice.call(number)?;
        call.answered().await?;
        call.hang_up().await?;
        let record = record_of(&mut scene.ear, "BRU", number).await?;
        assert_eq!(attempts(&record), tried);
    }
    Ok(())
}

/// PAR's Asterisk is down: its extensions are rung without it; what only it knows is for the next link.
async fn without_its_asterisk(scene: &mut Scene, par: &Branch) -> Outcome {
    par.office.asterisk().kill().await?;
    let (b, mut bob) = par.office.phone().await?;
    let number = format!("PAR-{}", b.extension);
    talk(scene.alice.call(&number)?, &mut bob, &scene.number).await?;
    let record = record_of(&mut scene.ear, "BRU", &number).await?;
    assert_eq!(attempts(&record), [("par", "answered", "answered")]);

    let mut call = scene.alice.call("PAR-600")?;
    call.answered().await?;
    call.hang_up().await?;
    let record = record_of(&mut scene.ear, "BRU", "PAR-600").await?;
    assert_eq!(attempts(&record), [("par", "failed", "sip-503"), ("carrier", "answered", "answered")]);
    par.office.asterisk().restart().await?;
    par.office.ready().await
}

/// Both links are known to be dead: the call is refused at once, and the caller reads why.
async fn no_link_lives(scene: &mut Scene) -> Outcome {
    let began = Instant::now();
    let refusal = scene.alice.call("SYD-1001")?.refused(480).await?;
    let took = began.elapsed();
    report("all links dead: refused", took);
    assert_eq!(refusal.start, "SIP/2.0 480 No Response From There");
    assert_eq!(refusal.get("Warning"), Some("399 BRU \"The other side does not respond.\""));
    let record = record_of(&mut scene.ear, "BRU", "SYD-1001").await?;
    assert_eq!(record["cause"], "next-hop-silent");
    // The silent one was dialled a moment ago, or is once more.
    let mut tried = attempts(&record);
    tried.sort_unstable();
    assert_eq!(tried[0], ("syd-refused", "failed", "refused"));
    assert!(tried.len() == 2 && (tried[1].0, tried[1].2) == ("syd-silent", "timed-out"), "{tried:?}");
    if took > SILENCE {
        return Err(Failure::new(format!("it took {took:?} until the caller was told")));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn report(what: &str, took: Duration) {
    println!("  {what}: {} ms", took.as_millis());
}
