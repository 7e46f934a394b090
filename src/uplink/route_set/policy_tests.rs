//! Permissions and rules in route sets: what they mean, and how each flaw is named.

use serde_json::{Value, json};

use super::check;
use super::tests::{flaw, good, set};
use crate::engine::policy::{Action, Destination, Per};

#[test]
fn permissions_and_rules_are_read() {
    let (table, _) = check(&set(&good())).unwrap();
    let par = &table.permissions().entries()[0];
    assert!(par.may.has(Destination::Pstn) && !par.may.has(Destination::Transit));
    assert!(par.visitors.has(Destination::Pstn) && par.numbers[0].matches("+33155"));
    let others = &table.permissions().entries()[1];
    assert!(
        others.office.is_none() && others.may.has(Destination::Transit) && !others.may.has(Destination::Pstn)
    );
    assert!(!others.visitors.has(Destination::Pstn) && others.visitors.has(Destination::Emergency));
    let rules: Vec<_> = table.rules().iter().collect();
    assert_eq!((rules[0].name.as_str(), rules[0].action), ("no-premium", Action::Refuse));
    assert_eq!((rules[1].per, rules[1].spend_per_day), (Per::Office, Some(5000)));
    let mut older = good();
    for key in ["permissions", "rules"] {
        older.as_object_mut().unwrap().remove(key);
    }
    let (table, _) = check(&set(&older)).unwrap();
    assert!(table.permissions().is_empty() && table.rules().is_empty());
}

#[test]
fn every_flaw_is_named_by_its_path() {
    for (pointer, value, part, words) in [
        ("/permissions", json!({}), "permissions", "a list"),
        ("/permissions/0/office", Value::Null, "permissions[0].office", "not there"),
        ("/permissions/0/office", json!("par"), "permissions[0].office", ""),
        ("/permissions/0/office", json!("BRU"), "permissions[0].office", "another office"),
        ("/permissions/0/office", json!("*"), "permissions[1].office", "already"),
        ("/permissions/0/may", json!(["anything"]), "permissions[0].may[0]", "extensions, roamers"),
        ("/permissions/0/may", json!(["extensions"]), "permissions[0].numbers", "pstn"),
        ("/permissions/0/numbers", json!(["0 1"]), "permissions[0].numbers[0]", "expected"),
        ("/permissions/1/visitors", json!("all"), "permissions[1].visitors", "a list"),
        ("/rules/0/name", Value::Null, "rules[0].name", "not there"),
        ("/rules/0/name", json!("international"), "rules[1].name", "twice"),
        ("/rules/0/action", Value::Null, "rules[0].action", "a limit"),
        ("/rules/1/action", json!("refuse"), "rules[1].action", "no limits"),
        ("/rules/1/from", json!(["nobody:X"]), "rules[1].from[0]", "office:ID"),
        ("/rules/1/per", json!("user"), "rules[1].per", "caller, office or all"),
        ("/rules/1/calls-per-hour", json!(0), "rules[1].calls-per-hour", "from 1"),
        ("/rules/1/minutes-per-day", json!("2h"), "rules[1].minutes-per-day", "an integer"),
        ("/rules/1/max-duration", json!("2d"), "rules[1].max-duration", "1 day"),
    ] {
        let (found, reason) = flaw(pointer, value);
        assert_eq!(found, part, "{pointer}: {reason}");
        assert!(reason.contains(words), "{pointer}: {reason}");
    }
}

#[test]
fn rules_are_bounded() {
    let rule = |place: usize| json!({ "name": format!("r{place}"), "action": "refuse" });
    assert_eq!(flaw("/rules", json!((0..65).map(rule).collect::<Vec<_>>())).0, "rules");
}
