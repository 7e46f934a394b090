//! `permissions` and `rules`: what other offices may do here, and what calls may cost.

use super::fields::Fields;
use crate::engine::numbering::OfficeId;
use crate::engine::policy::{
    Destination, Destinations, MOST_NUMBERS, MOST_PERMISSIONS, MOST_RULES, Permission, Permissions,
    PolicyFlaw, Rule, Rules,
};
use crate::uplink::document::Refusal;

/// Most destinations of a list.
const MOST_DESTINATIONS: usize = 8;

/// What other offices may do in office `own`.
pub(super) fn permissions(fields: &Fields<'_>, own: OfficeId) -> Result<Permissions, Refusal> {
    let entries = fields.objects("permissions", MOST_PERMISSIONS)?;
    let entries = entries.iter().map(permission).collect::<Result<Vec<_>, _>>()?;
    Permissions::new(own, entries).map_err(|flaw| refusal("permissions", flaw))
}

/// Rules for calls that go out.
pub(super) fn rules(fields: &Fields<'_>) -> Result<Rules, Refusal> {
    let rules = fields.objects("rules", MOST_RULES)?;
    let rules = rules.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    Rules::new(rules).map_err(|flaw| refusal("rules", flaw))
}

fn permission(fields: &Fields<'_>) -> Result<Permission, Refusal> {
    let destinations = |key, default| -> Result<Destinations, Refusal> {
        let named = fields.texts::<Destination>(key, MOST_DESTINATIONS)?;
        Ok(if fields.has(key) { named.into_iter().collect() } else { default })
    };
    let office = match fields.text("office")? {
        "*" => None,
        _ => Some(fields.parsed("office")?),
    };
    Ok(Permission {
        office,
        may: destinations("may", Destinations::SAFE)?,
        numbers: fields.texts("numbers", MOST_NUMBERS)?,
        visitors: destinations("visitors", Destinations::ALL)?,
    })
}

fn rule(fields: &Fields<'_>) -> Result<Rule, Refusal> {
    let limit = |key| fields.number(key, 1..=u32::MAX);
    Ok(Rule {
        name: fields.parsed("name")?,
        numbers: fields.texts("numbers", MOST_NUMBERS)?,
        from: fields.texts("from", MOST_NUMBERS)?,
        action: fields.optional_parsed("action")?.unwrap_or_default(),
        per: fields.optional_parsed("per")?.unwrap_or_default(),
        calls_per_hour: limit("calls-per-hour")?,
        minutes_per_day: limit("minutes-per-day")?,
        spend_per_day: limit("spend-per-day")?,
        max_duration: fields.span("max-duration")?,
    })
}

fn refusal(list: &str, flaw: PolicyFlaw) -> Refusal {
    Refusal::new(format!("{list}[{}].{}", flaw.place, flaw.field), flaw.reason)
}
