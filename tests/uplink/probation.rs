//! Route sets that do harm: rolled back to the one before.

use std::net::{Ipv4Addr, UdpSocket};

use peers::office::Office;
use peers::{Outcome, ports};
use serde_json::Value;

use crate::BINARY;
use crate::routes::{Ops, REPORTED, push, set, with_key};
use crate::sites::{SOON, Site, condition, topic};

/// A trunk that Asterisk keeps: nothing probes it, so it counts as up.
const UP: &str = "pjsip:carrier";

/// A carrier that answers every request with 200.
struct Carrier(UdpSocket);

impl Carrier {
    fn open() -> Outcome<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let own = socket.try_clone()?;
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = own.recv_from(&mut buffer) {
                let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let named = |line: &&str| {
                    ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name))
                };
                let headers: Vec<&str> = request.lines().filter(named).collect();
                let answer =
                    format!("SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n", headers.join("\r\n"));
                let _ = own.send_to(answer.as_bytes(), from);
            }
        });
        Ok(Self(socket))
    }

    fn address(&self) -> Outcome<String> {
        Ok(format!("sip:{};transport=udp", self.0.local_addr()?))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_whose_links_go_down_is_rolled_back_and_stays_so() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let ops = Ops::new("ops-1", 1);
    let port = ports::free_port(Ipv4Addr::LOCALHOST.into())?;
    let setup = with_key(site.setup(&[&broker], "")?, &ops);
    let office =
        Office::open(BINARY, setup.with("federation", format!("udp-address = \"127.0.0.1:{port}\""))).await?;
    let mut ear = broker.listen().await?;
    let (carrier, silent) = (Carrier::open()?, UdpSocket::bind("127.0.0.1:0")?);
    let (up, silent) = (carrier.address()?, format!("sip:{};transport=udp", silent.local_addr()?));
    push(&broker, &mut ear, &ops.sign(set(1, &up, "0s")), |report| report["outcome"] == "applied").await?;
    ear.until(&topic("health"), SOON, |health| health["links"]["carrier"] == "up").await?;

    let bad = ops.sign(set(2, &silent, "9s"));
    let tried = push(&broker, &mut ear, &bad, |report| report["in-force"]["revision"] == 2).await?;
    assert_eq!(tried["outcome"], "applied");
    let fallen = ear.until(&topic(REPORTED), SOON, |report| report["outcome"] == "rolled-back").await?;
    assert_eq!((&fallen["in-force"]["revision"], &fallen["asked"]["revision"]), (&1.into(), &2.into()));
    assert_eq!(fallen["because"]["reason"], "links-down", "{fallen}");
    assert_eq!(fallen["because"]["words"], "100% of the links were up before, 0% now");
    condition(&office, "routes-rolled-back", |condition| condition["raised"] == true).await?;
    ear.until(&topic("health"), SOON, |health| {
        let raised = |one: &Value| one["name"] == "routes-rolled-back" && one["raised"] == true;
        health["links"]["carrier"] == "up"
            && health["conditions"].as_array().is_some_and(|all| all.iter().any(raised))
    })
    .await?;

    // The broker still keeps it: it comes with every session, and must not go into force again.
    office.kill();
    office.restart().await?;
    let is_new = |report: &Value| report["boot"].is_string() && report["boot"] != tried["boot"];
    let still = ear.until(&topic(REPORTED), SOON, is_new).await?;
    assert_eq!((&still["outcome"], &still["in-force"]["revision"]), (&"rolled-back".into(), &1.into()));
    push(&broker, &mut ear, &bad, |report| is_new(report) && report["outcome"] == "rolled-back").await?;
    let good = ops.sign(set(3, &up, "1s"));
    push(&broker, &mut ear, &good, |report| report["in-force"]["revision"] == 3).await?;
    condition(&office, "routes-rolled-back", |condition| condition["raised"] == false).await?;
    let reports = ear.documents(&topic(REPORTED));
    assert!(
        !reports.iter().any(|report| is_new(report) && report["in-force"]["revision"] == 2),
        "{reports:#?}"
    );
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_the_daemon_does_not_survive_is_rolled_back() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let ops = Ops::new("ops-1", 1);
    let office = Office::open(BINARY, with_key(site.setup(&[&broker], "")?, &ops)).await?;
    let mut ear = broker.listen().await?;
    push(&broker, &mut ear, &ops.sign(set(1, UP, "0s")), |report| report["outcome"] == "applied").await?;
    let deadly = ops.sign(set(2, UP, "10m"));
    push(&broker, &mut ear, &deadly, |report| report["in-force"]["revision"] == 2).await?;
    for _ in 0..3 {
        office.kill();
        office.restart().await?;
    }
    let fallen = ear.until(&topic(REPORTED), SOON, |report| report["outcome"] == "rolled-back").await?;
    assert_eq!(
        (&fallen["in-force"]["revision"], &fallen["because"]["reason"]),
        (&1.into(), &"restarts".into())
    );
    office.close().await
}
