//! From the document to the table: every part by itself, then the parts against each other.

use std::collections::BTreeSet;
use std::time::Duration;

use super::document::RouteSet;
use super::fields::Fields;
use super::policy;
use crate::engine::numbering::EmergencyNumbers;
use crate::engine::routing::{
    EmergencyPlan, HealthPolicy, Limits, Link, Rewrite, Route, RouteTable, TableParts,
};
use crate::uplink::document::Refusal;

/// Most routes of a set.
pub(super) const MOST_ROUTES: usize = 10_000;
/// Most links of a set.
pub(super) const MOST_LINKS: usize = 2_000;
/// Most offices that the links and routes of a set name.
pub(super) const MOST_OFFICES: usize = 500;
/// Most links of one route.
const MOST_LINKS_OF_A_ROUTE: usize = 16;
/// Most emergency numbers and most links to try first for them.
const MOST_EMERGENCY: usize = 32;
/// How long a set is watched after it went into force, if it does not say.
const PROBATION: Duration = Duration::from_secs(60);
/// Longest probation.
const LONGEST_PROBATION: Duration = Duration::from_secs(3600);

/// The table that a set means, and how long it is watched after it went into force.
///
/// # Errors
/// The first bad part, by its path. The set is refused as a whole.
pub fn check(set: &RouteSet) -> Result<(RouteTable, Duration), Refusal> {
    let fields = Fields::of_document(set.fields());
    if fields.moment("issued")?.is_none() {
        return Err(fields.refuse("issued", "expected a time as in 2026-11-21T09:00:00Z; it is not there"));
    }
    let not_after = fields.moment("not-after")?.map(|moment| moment.0);
    let probation = fields.span("probation")?.unwrap_or(PROBATION);
    if probation > LONGEST_PROBATION {
        return Err(fields.refuse("probation", "expected at most 1h"));
    }
    let links = fields.objects("links", MOST_LINKS)?;
    let links = links.iter().map(link).collect::<Result<Vec<_>, _>>()?;
    let routes = fields.objects("routes", MOST_ROUTES)?;
    let routes = routes.iter().map(route).collect::<Result<Vec<_>, _>>()?;
    let offices: BTreeSet<_> = links
        .iter()
        .filter_map(|link| link.office)
        .chain(routes.iter().filter_map(|route| route.office))
        .collect();
    if offices.len() > MOST_OFFICES {
        return Err(fields.refuse("links", format_args!("expected at most {MOST_OFFICES} other offices")));
    }
    let (office, revision) = (set.office(), set.revision());
    let parts = TableParts {
        office,
        revision,
        not_after,
        links,
        routes,
        emergency: emergency(&fields)?,
        limits: limits(&fields)?,
        permissions: policy::permissions(&fields, office)?,
        rules: policy::rules(&fields)?,
    };
    let table = RouteTable::new(parts).map_err(|flaw| Refusal::new(flaw.part.to_string(), flaw.reason))?;
    Ok((table, probation))
}

fn link(fields: &Fields<'_>) -> Result<Link, Refusal> {
    for secret in ["password", "secret", "token"] {
        if fields.has(secret) {
            return Err(
                fields.refuse(secret, "no secret may stand in a route set; expected `credentials`, a name")
            );
        }
    }
    let health = match fields.object("health")? {
        Some(health) => health_policy(&health)?,
        None => HealthPolicy::default(),
    };
    Ok(Link {
        id: fields.parsed("id")?,
        kind: fields.parsed("kind")?,
        office: fields.optional_parsed("office")?,
        address: fields.parsed("address")?,
        credentials: fields.optional_parsed("credentials")?,
        registration: fields.span("register")?,
        cost: fields.number("cost", 0..=u32::MAX)?.unwrap_or(0),
        price: fields.number("price", 0..=u32::MAX)?.unwrap_or(0),
        priority: fields.number("priority", 0..=u16::MAX)?.unwrap_or(1),
        weight: fields.number("weight", 0..=u16::MAX)?.unwrap_or(1),
        max_calls: fields.number("max-calls", 1..=u32::MAX)?,
        location: fields.optional_parsed("location")?.unwrap_or_default(),
        health,
        disabled: fields.flag("disabled")?,
    })
}

fn health_policy(fields: &Fields<'_>) -> Result<HealthPolicy, Refusal> {
    let default = HealthPolicy::default();
    Ok(HealthPolicy {
        probe: fields.span("probe")?.unwrap_or(default.probe),
        timeout: fields.span("timeout")?.unwrap_or(default.timeout),
        fail_after: fields.number("fail-after", 1..=HealthPolicy::MOST_COUNT)?.unwrap_or(default.fail_after),
        recover_after: fields
            .number("recover-after", 1..=HealthPolicy::MOST_COUNT)?
            .unwrap_or(default.recover_after),
    })
}

fn route(fields: &Fields<'_>) -> Result<Route, Refusal> {
    Ok(Route {
        pattern: fields.parsed("pattern")?,
        office: fields.optional_parsed("office")?,
        links: fields.texts("links", MOST_LINKS_OF_A_ROUTE)?,
        priority: fields.number("priority", 0..=u16::MAX)?.unwrap_or(1),
        cost: fields.number("cost", 0..=u32::MAX)?.unwrap_or(0),
        price: fields.number("price", 0..=u32::MAX)?,
        rewrite: rewrite(fields)?,
    })
}

fn rewrite(fields: &Fields<'_>) -> Result<Rewrite, Refusal> {
    let strip = fields.number("strip", 0..=40_u8)?;
    let prefix = fields.optional_text("prefix")?;
    match fields.optional_text("number")? {
        Some(_)
            if strip.is_some_and(|strip| strip > 0) || prefix.is_some_and(|prefix| !prefix.is_empty()) =>
        {
            Err(fields.refuse("number", "expected either `number` or `strip` and `prefix`"))
        }
        Some(number) => Ok(Rewrite::Replace(number.into())),
        None => Ok(Rewrite::Edit { strip: strip.unwrap_or(0), prefix: prefix.unwrap_or_default().into() }),
    }
}

fn emergency(fields: &Fields<'_>) -> Result<EmergencyPlan, Refusal> {
    let texts: Vec<String> = fields.texts("emergency", MOST_EMERGENCY)?;
    for (place, text) in texts.iter().enumerate() {
        if let Err(error) = EmergencyNumbers::new([text.as_str()]) {
            return Err(fields.refuse(&format!("emergency[{place}]"), error));
        }
    }
    let numbers = EmergencyNumbers::new(texts.iter().map(String::as_str));
    let numbers = numbers.map_err(|error| fields.refuse("emergency", error))?;
    Ok(EmergencyPlan { numbers, links: fields.texts("emergency-links", MOST_EMERGENCY)? })
}

fn limits(fields: &Fields<'_>) -> Result<Limits, Refusal> {
    let Some(fields) = fields.object("limits")? else { return Ok(Limits::default()) };
    let limit = |key| fields.number(key, 1..=u32::MAX);
    Ok(Limits {
        calls: limit("calls")?,
        calls_per_user: limit("calls-per-user")?,
        calls_per_office: limit("calls-per-office")?,
    })
}
