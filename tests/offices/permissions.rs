//! What another office may reach here: not the outside, unless ops permit it.

use peers::Outcome;
use peers::carrier::Carrier;
use peers::wan::{self, Wan};
use serde_json::json;

use crate::federation::{Federation, alone};
use crate::in_a_network;

#[test]
fn another_office_gets_out_by_our_carrier_when_it_is_permitted() -> Outcome {
    in_a_network(by_permission)
}

async fn by_permission(wan: Wan) -> Outcome {
    let mut federation = Federation::new(wan).await?;
    let bru = federation.branch("BRU", alone()).await?;
    let par = federation.branch("PAR", alone()).await?;
    let carrier = Carrier::start(wan::TEST.into()).await?;
    let links = json!([
        par.sip_link(),
        { "id": "carrier", "kind": "PstnGateway", "address": format!("sip:{}", carrier.sip()) },
    ]);
    let routes = json!([par.route(&["par-sip"]), { "pattern": "0*", "links": ["carrier"] }]);
    federation.push(&bru, &links, &routes)?;
    federation.push(&par, &json!([bru.sip_link()]), &json!([bru.route(&["bru-sip"])]))?;

    let (_, zoe) = par.office.phone().await?;
    let mut denied = zoe.call("BRU-025551234")?;
    denied.refused(403).await?;
    assert!(!carrier.calls().contains("025551234"), "{}", carrier.calls());
    let metrics = bru.office.metrics().await?;
    assert!(metrics.contains("not-permitted-pstn"), "{metrics}");

    let permissions = json!([{ "office": "PAR", "may": ["extensions", "pstn"], "numbers": ["02*"] }]);
    let premium = json!([{ "name": "no-premium", "numbers": ["0290*"], "action": "refuse" }]);
    let more = json!({ "permissions": permissions, "rules": premium });
    federation.push_with(&bru, &links, &routes, &more)?;
    let mut call = zoe.call("BRU-025551234")?;
    call.answered().await?;
    call.hang_up().await?;
    assert!(carrier.calls().contains("sip:025551234@"), "{}", carrier.calls());
    for number in ["BRU-0475551234", "BRU-029012345"] {
        let mut denied = zoe.call(number)?;
        denied.refused(403).await?;
    }
    bru.office.close().await?;
    par.office.close().await
}
