//! From an office's rows to its route set: put together, checked as a box would, numbered, signed.
//!
//! Every change of a link, a route or an office is tried in its transaction: if the office's set would not pass a box's
//! check, the change is refused with the part and the reason. So what is in the database can always be published.

use serde_json::{Map, Value};

use super::store::desired::{self, DesiredRow};
use super::store::offices::{self, OfficeRow};
use super::store::{Rows, StoreError, parts};
use crate::time::WallTime;
use crate::uplink::route_set::{RouteSet, check};
use crate::uplink::{Digest, LAST_REVISION, Moment, OfficeId, Refusal, Revision, SigningKey, canonical};

/// What an office's set says besides its links and routes.
pub(super) const SETTINGS: [&str; 7] =
    ["probation", "not-after", "emergency", "emergency-links", "limits", "permissions", "rules"];
/// Fields that every issue of a set changes.
const OF_THE_ISSUE: [&str; 3] = ["revision", "issued", "signature"];

/// Why there is no set.
#[derive(Debug)]
pub(super) enum Objection {
    /// No such office.
    NoOffice,
    /// A part is bad.
    Part(Refusal),
    /// The office has had as many revisions as there are.
    RevisionsExhausted,
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for Objection {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for Objection {
    fn from(refusal: Refusal) -> Self {
        Self::Part(refusal)
    }
}

/// The set that an office's rows make, not signed.
pub(super) fn draft(
    rows: &Rows<'_>,
    office: OfficeId,
    revision: Revision,
    issued: WallTime,
) -> Result<RouteSet, Objection> {
    let row = offices::get(rows, office)?.ok_or(Objection::NoOffice)?;
    let links = parts::links(rows, Some(office))?.into_iter().map(|(_, body)| body).collect();
    let routes = parts::routes(rows, Some(office))?.into_iter().map(|(_, _, body)| body).collect();
    let set = RouteSet::new(fields(&row, links, routes, revision, issued))?;
    check(&set)?;
    Ok(set)
}

/// Whether an office's set would pass; to be asked after each change, in its transaction. Notes what the rows say now.
pub(super) fn try_out(rows: &Rows<'_>, office: OfficeId, now: WallTime) -> Result<(), Objection> {
    let content = content(&draft(rows, office, Revision(1), now)?)?;
    Ok(offices::set_content(rows, office, &content)?)
}

/// Makes an office's rows, locked until the end of the transaction, its desired set: the next revision, signed and stored. To be published.
pub(super) fn issue(
    rows: &Rows<'_>,
    office: OfficeId,
    key: &SigningKey,
    now: WallTime,
) -> Result<DesiredRow, Objection> {
    if offices::lock(rows, office)?.is_none() {
        return Err(Objection::NoOffice);
    }
    let revision = desired::next_revision(rows, office)?;
    if revision > LAST_REVISION {
        return Err(Objection::RevisionsExhausted);
    }
    let set = draft(rows, office, revision, now)?.signed(key)?;
    let digest = set.digest()?.to_string();
    let (content, document) = (content(&set)?, set.write());
    let row = DesiredRow { office, revision, digest, content, document, created: now, acknowledged: None };
    desired::insert(rows, &row)?;
    Ok(row)
}

/// Whether an office's rows say something else than `issued`, its newest set.
pub(super) fn differs(office: &OfficeRow, issued: Option<&DesiredRow>) -> bool {
    issued.is_none_or(|issued| issued.content != office.content)
}

fn fields(
    office: &OfficeRow,
    links: Vec<Map<String, Value>>,
    routes: Vec<Map<String, Value>>,
    revision: Revision,
    issued: WallTime,
) -> Map<String, Value> {
    let list = |items: Vec<Map<String, Value>>| items.into_iter().map(Value::Object).collect::<Value>();
    let issued = Moment(WallTime(issued.seconds() * 1000)).to_text();
    let mut fields = office.settings.clone();
    fields.insert("v".to_owned(), 1.into());
    fields.insert("office".to_owned(), office.id.as_str().into());
    fields.insert("revision".to_owned(), revision.0.into());
    fields.insert("issued".to_owned(), issued.into());
    fields.insert("links".to_owned(), list(links));
    fields.insert("routes".to_owned(), list(routes));
    fields
}

/// The digest of what a set says, without what every issue of it changes.
fn content(set: &RouteSet) -> Result<String, Refusal> {
    let mut fields = set.fields().clone();
    for key in OF_THE_ISSUE {
        fields.remove(key);
    }
    Ok(Digest::of(canonical(&Value::Object(fields))?.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controller::store::Store;
    use crate::uplink::TrustedKeys;

    const NOW: WallTime = WallTime(1_795_251_600_123);

    fn key() -> SigningKey {
        SigningKey::from_seed("ops-2026".parse().unwrap(), zeroize::Zeroizing::new([7; 32])).unwrap()
    }

    fn body(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(fields) => fields,
            _ => panic!("an object"),
        }
    }

    fn written(work: impl FnOnce(&Rows<'_>, OfficeId)) {
        let done: Result<(), StoreError> = Store::in_memory().write(|rows| {
            let id: OfficeId = "BRU".parse().unwrap();
            let settings = body(json!({ "probation": "5s", "limits": { "calls": 20 } }));
            let row =
                OfficeRow { id, name: "Brussels".into(), settings, created: NOW, content: String::new() };
            offices::insert(rows, &row)?;
            work(rows, id);
            Ok(())
        });
        done.unwrap();
    }

    fn link(id: &str) -> Map<String, Value> {
        body(json!({ "id": id, "kind": "SipTrunk", "office": "PAR",
            "address": "sip:par.example:5061;transport=tls", "comment": "kept" }))
    }

    #[test]
    fn a_set_is_made_of_rows_numbered_signed_and_accepted_by_a_box() {
        written(|rows, office| {
            parts::insert_link(rows, office, "par-sip", &link("par-sip")).unwrap();
            let route = body(json!({ "pattern": "PAR-*", "office": "PAR", "links": ["par-sip"] }));
            parts::insert_route(rows, office, &route).unwrap();
            let first = issue(rows, office, &key(), NOW).unwrap();
            let second = issue(rows, office, &key(), NOW).unwrap();
            assert_eq!((first.revision, second.revision), (Revision(1), Revision(2)));
            let set = RouteSet::read(&second.document).unwrap();
            let mut trusted = TrustedKeys::new();
            trusted.trust(key().id().clone(), key().public()).unwrap();
            assert_eq!(set.verify(&trusted).unwrap().as_str(), "ops-2026");
            let (table, probation) = check(&set).unwrap();
            assert_eq!((table.routes().len(), probation.as_secs()), (1, 5));
            assert_eq!(set.fields()["links"][0]["comment"], "kept");
            assert_eq!(set.fields()["issued"], "2026-11-21T09:00:00Z");
        });
    }

    #[test]
    fn a_change_that_a_box_would_refuse_is_named_by_its_part() {
        written(|rows, office| {
            let route = body(json!({ "pattern": "PAR-*", "office": "PAR", "links": ["nowhere"] }));
            parts::insert_route(rows, office, &route).unwrap();
            let Err(Objection::Part(refusal)) = try_out(rows, office, NOW) else { panic!("refused") };
            assert!(refusal.part.starts_with("routes[0]"), "{refusal}");
            assert!(issue(rows, office, &key(), NOW).is_err());
            let nobody = "NYC".parse().unwrap();
            assert!(matches!(try_out(rows, nobody, NOW), Err(Objection::NoOffice)));
        });
    }

    #[test]
    fn a_change_since_the_last_issue_is_seen_and_its_return_too() {
        written(|rows, office| {
            let differs = |issued: Option<&DesiredRow>| {
                try_out(rows, office, NOW).unwrap();
                differs(&offices::get(rows, office).unwrap().unwrap(), issued)
            };
            assert!(differs(None), "nothing was issued");
            let issued = issue(rows, office, &key(), NOW).unwrap();
            assert!(!differs(Some(&issued)));
            parts::insert_link(rows, office, "par-sip", &link("par-sip")).unwrap();
            assert!(differs(Some(&issued)));
            parts::delete_link(rows, office, "par-sip").unwrap();
            assert!(!differs(Some(&issued)), "it says the same again");
        });
    }
}
