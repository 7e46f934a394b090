//! Help can be called in every mode: without routes, with refused ones, beyond every limit, without uplink, without Asterisk, with
//! nobody to ask at all, and as a visitor of another office. Each time it is the local carrier that is asked first, it hears whom
//! to call back and where the caller is, the people named for it are told, and ops get to know of it, if only afterwards.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use peers::broker::Ear;
use peers::carrier::Carrier;
use peers::office::Setup;
use peers::phone::Phone;
use peers::phone_page::PhonePage;
use peers::wan::{self, Wan};
use peers::{Failure, Outcome};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::federation::{Branch, Federation, alone, main_number, topic, with_asterisk};
use crate::in_a_network;
use crate::over_links::hear_echo;
use crate::records::attempts;
use crate::roaming::{as_visitor, keys, visitors};

const SOON: Duration = Duration::from_secs(30);
const LOI: (&str, &str) = ("geo:50.8466,4.3528", "Rue de la Loi 16, 1000 Brussels");
const RIVOLI: (&str, &str) = ("geo:48.8606,2.3376", "Rue de Rivoli 99, 75001 Paris");

#[test]
fn help_can_be_called_in_every_mode() -> Outcome {
    in_a_network(help_in_every_mode)
}

async fn help_in_every_mode(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let keys = keys(&federation)?;
    let brussels = Carrier::start(wan::TEST.into()).await?;
    let paris = Carrier::start(wan::TEST.into()).await?;
    let setup = with_asterisk().with("calls", "max = 1\ndrain-time = \"1s\"");
    // The first extension of BRU is told of every call for help there.
    let setup = setup.with("federation", "emergency-contacts = [\"1001\"]");
    let bru = federation.branch("BRU", local(setup, "32", &keys, &brussels, LOI)).await?;
    let par = federation.branch("PAR", local(alone(), "33", &keys, &paris, RIVOLI)).await?;
    let mut ear = federation.broker.listen().await?;
    let (named, guard) = bru.office.phone().await?;
    assert_eq!(named.extension, "1001");
    let browser = bru.office.browser(440).await?;
    let page = PhonePage::open(&browser, bru.office.places().https, &named).await?;
    let help = Help { branch: &bru, carrier: &brussels, place: LOI };

    // No route set ever came; then one that the box refuses.
    help.is_called("112").await?;
    page.page.appear("#notice", SOON).await?;
    let notice = page.page.text("#notice-text").await?;
    assert!(notice.contains("has dialled 112") && notice.contains(LOI.1), "{notice}");
    drop((page, browser));
    federation.broker.publish(&topic("BRU", "routes/desired"), "{\"v\":1,\"office\":\"BRU\"}", true).await?;
    ear.until(&topic("BRU", "routes/reported"), SOON, |reported| reported["outcome"] == "refused").await?;
    help.is_called("112").await?;

    // Routes are in force. One call is all that this office may have, and it has it.
    federation.push(&bru, &json!([par.sip_link()]), &json!([par.route(&["par-sip"])]))?;
    let (_, alice) = bru.office.phone().await?;
    let mut echo = alice.call("600")?;
    echo.answered().await?;
    let (_, other) = bru.office.phone().await?;
    other.call("600")?.refused(503).await?;
    help.is_called("112").await?;
    echo.hang_up().await?;

    // A visitor from BRU calls for help in PAR: it is PAR's carrier, PAR's place and PAR's number.
    let ann = bru.office.account()?;
    let abroad = format!("32-{}", ann.extension);
    ear.until(&format!("branchline/v1/visitors/{abroad}"), SOON, |record| record["home"] == "BRU").await?;
    let mut visitor = Phone::open(as_visitor(&par, &ann, &abroad)).await?;
    visitor.register().await?;
    let abroad = Help { branch: &par, carrier: &paris, place: RIVOLI };
    abroad.is_called_by(&visitor, "112").await?;

    // The uplink is down, then Asterisk too, then the daemon comes back with nobody to ask.
    sleep(Duration::from_millis(500)).await;
    federation.broker.stop().await?;
    help.is_called("112").await?;
    abroad.is_called_by(&visitor, "112").await?;
    bru.office.asterisk().kill().await?;
    help.is_called("911").await?;
    // What was put is on flash within milliseconds; nobody is told when.
    sleep(Duration::from_millis(300)).await;
    bru.office.kill();
    // It is ready without Asterisk; its health says so.
    let _ = timeout(Duration::from_secs(3), bru.office.restart()).await;
    help.is_called("112").await?;

    let messages = guard.received().into_iter().filter(|message| message.method() == "MESSAGE");
    let messages: Vec<String> = messages.map(|message| message.body).collect();
    assert_eq!(messages.len(), 6, "{messages:#?}");
    let words = format!("Place: {}. Called back under: {}.", LOI.1, main_number("BRU"));
    assert!(messages.iter().all(|message| message.ends_with(&words)), "{messages:#?}");

    federation.broker.run().await?;
    told(&mut ear, "BRU", "carrier", LOI, 6, 3).await?;
    told(&mut ear, "PAR", "carrier", RIVOLI, 2, 1).await?;
    bru.office.asterisk().restart().await?;
    bru.office.close().await?;
    par.office.close().await
}

/// An office with a place and a carrier of its own, which takes visitors.
fn local(setup: Setup, country: &str, keys: &Path, carrier: &Carrier, (geo, civic): (&str, &str)) -> Setup {
    let link = format!(
        "{{ id = \"carrier\", kind = \"PstnGateway\", address = \"sip:{}\", probe = \"0s\" }}",
        carrier.sip()
    );
    visitors(setup, country, keys)
        .with("federation", format!("civic = \"{civic}\"\ngeo = \"{geo}\"\nlink = [{link}]"))
}

/// Who is called for help from where.
struct Help<'a> {
    branch: &'a Branch,
    carrier: &'a Carrier,
    place: (&'a str, &'a str),
}

impl Help<'_> {
    /// A fresh phone of the office dials.
    async fn is_called(&self, number: &str) -> Outcome {
        let (_, phone) = self.branch.office.phone().await?;
        self.is_called_by(&phone, number).await
    }

    /// The local carrier answers, knows whom to call back and where to go, and hears the caller.
    async fn is_called_by(&self, phone: &Phone, number: &str) -> Outcome {
        let before = self.carrier.calls().lines().count();
        let mut call = phone.call(number)?;
        call.answered().await?;
        hear_echo(&call, Duration::from_secs(1)).await?;
        call.hang_up().await?;
        let calls = self.carrier.calls();
        let (geo, civic) = self.place;
        let words =
            format!("from sip:{}@ to sip:{number}@ geo {geo} civic {civic}", main_number(self.branch.id));
        match calls.lines().nth(before) {
            Some(line) if line.contains(&words) => Ok(()),
            _ => Err(Failure::new(format!("not {words}: {calls}"))),
        }
    }
}

/// Ops were told of `count` calls for help, of `late` of them afterwards; the record of each shows that the local carrier came first.
async fn told(
    ear: &mut Ear,
    office: &str,
    carrier: &str,
    (geo, civic): (&str, &str),
    count: usize,
    late: usize,
) -> Outcome {
    let topic = topic(office, "events");
    let told = |ear: &Ear| {
        // A repetition has the number of what it repeats.
        let events = ear.documents(&topic).into_iter().map(|event| (event["seq"].as_u64(), event));
        let events: BTreeMap<_, Value> = events.collect();
        let of = |kind: &str| -> Vec<Value> {
            events.values().filter(|event| event["kind"] == kind).cloned().collect()
        };
        let records: Vec<Value> =
            of("call").into_iter().filter(|event| event["body"]["emergency"] == true).collect();
        (of("emergency"), records)
    };
    let end = std::time::Instant::now() + SOON;
    let (emergencies, records) = loop {
        let (emergencies, records) = told(ear);
        if emergencies.len() >= count && records.len() >= count {
            break (emergencies, records);
        }
        if std::time::Instant::now() > end {
            return Err(Failure::new(format!("{office} told of {emergencies:#?} {records:#?}")));
        }
        sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((emergencies.len(), records.len()), (count, count));
    let is_late = |event: &&Value| event["historical"] == true;
    assert!(emergencies.iter().filter(is_late).count() >= late, "{emergencies:#?}");
    let place = json!({ "geo": geo, "civic": civic, "callback": main_number(office) });
    assert!(emergencies.iter().all(|event| event["body"]["place"] == place), "{emergencies:#?}");
    for record in &records {
        assert_eq!(attempts(&record["body"]), [(carrier, "answered", "answered")]);
    }
    Ok(())
}
