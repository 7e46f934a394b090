//! Where a call to a number would go now, and why: the plan that a call would get, explained.
//!
//! The plan is the calls' own ([`plan`]), for a caller of the site; of links with the same cost one draw is shown. Limits on
//! calls are left out of account: they are about the moment, not about the way.
//!
//! | attempt | why | said of it |
//! | --- | --- | --- |
//! | Asterisk | `dialplan` | that it decides, and usually rings the devices that follow |
//! | devices | `preferred`, `used-last`, `by-q`, `desk-phone-fallback` | each with kind, q, last use |
//! | a link | `visiting` | since when the user is there, and how old that knowledge is |
//! | a link | `home`, `route`, `emergency` | the link's state |

use serde::{Deserialize, Serialize};

use super::calls::Calls;
use super::effects::Effects;
use super::plan::{Attempt, Plan, Question, Target, plan};
use crate::engine::flow::Side;
use crate::engine::numbering::Extension;
use crate::engine::registrar::{Availability, Binding, DeviceId};
use crate::engine::roaming::{Aor, Named, Whereabouts, named};
use crate::engine::routing::Choice;
use crate::engine::settings::CallSettings;

/// Where a call would go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resolution {
    /// The number, as this office dials it.
    pub number: String,
    /// Whose extension it is; absent when it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserView>,
    /// `rings`, or the stable word of why nothing does.
    pub outcome: String,
    /// A sentence for a person.
    pub text: String,
    /// What is tried, one after another.
    pub attempts: Vec<AttemptView>,
    /// What is not tried.
    pub left_out: Vec<LeftOutView>,
}

/// Whose extension, and where they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserView {
    /// The extension; with its country where that is known.
    pub extension: String,
    /// The office that gave it out.
    pub home: String,
    /// `here`, `visiting` (another office than home and this one) or `home` (another office).
    pub place: String,
    /// The office where they are.
    pub office: String,
    /// When they signed in there, by that office's clock; milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// How old this knowledge is, in seconds; absent when nobody ever said where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<u64>,
    /// What they said in this office of how to be reached; absent for who has neither account nor device here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
}

/// One attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptView {
    /// `asterisk`, `devices` or `link`.
    pub by: String,
    /// Why, as a stable word.
    pub why: String,
    /// A sentence for a person.
    pub text: String,
    /// How long it may ring, in seconds.
    pub rings_for: u64,
    /// The devices that ring together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceView>,
    /// The link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<WayView>,
}

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceView {
    /// Names it for `preferred`.
    pub id: String,
    /// `desk-phone`, `soft-phone` or `page`.
    pub kind: String,
    /// What it calls itself.
    pub name: String,
    /// Its q value, thousandths.
    pub q: u16,
    /// When it registered first; milliseconds since 1970.
    pub since: u64,
    /// When it last placed or answered a call; milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

/// A way over a link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WayView {
    /// The link's name.
    pub id: String,
    /// `SipTrunk`, `IaxTrunk`, `ApiGateway` or `PstnGateway`.
    pub kind: String,
    /// The office that it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub office: Option<String>,
    /// `up`, `probing`, `down` or `disabled`.
    pub state: String,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What is dialled there.
    pub number: String,
}

/// What is not tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftOutView {
    /// The device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceView>,
    /// The link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Why not, as a stable word.
    pub why: String,
}

/// Whose extension, if anybody's: for all offices, and as this office has it.
struct User {
    aor: Option<Aor>,
    extension: Extension,
    whereabouts: Whereabouts,
}

impl Calls {
    /// Where a call of a device of the site to `to` would go; `None` when that is no number.
    pub fn resolve(&self, to: &str, fx: &mut Effects<'_>) -> Option<Resolution> {
        let is_known = |number: &Extension| fx.knows(number);
        let number = super::dialled_number(to, &fx.settings.numbers, is_known)?;
        let (emergency, draw) = (fx.is_emergency(&number), fx.random_u64());
        let question = Question {
            number: &number,
            side: Side::Site,
            origin: None,
            guests: &[],
            permissions: fx.router.permissions(&fx.settings.routing.permissions),
            inbound: &fx.settings.routing.inbound,
            emergency,
            asterisk: fx.asterisk,
            draw,
            registrar: fx.registrar,
            router: fx.router,
            roaming: fx.roaming,
            numbers: &fx.settings.numbers,
            now: fx.now.wall,
        };
        Some(resolve(&question, &fx.settings.office, &fx.settings.calls))
    }
}

/// Explains the plan for a number.
fn resolve(question: &Question<'_>, own: &str, settings: &CallSettings) -> Resolution {
    let user = user(question);
    let mut resolution = Resolution {
        number: question.number.to_owned(),
        user: user.as_ref().map(|user| user_view(question, own, user)),
        ..Resolution::default()
    };
    if let Some(user) = &user {
        let order = question.registrar.ring_order(&user.extension);
        resolution.left_out.extend(order.left_out.iter().map(|(binding, why)| LeftOutView {
            device: Some(device_view(binding)),
            link: None,
            why: why.as_str().to_owned(),
        }));
    }
    match plan(question) {
        Ok(plan) => explain(question, plan, resolution, settings),
        Err(cause) => {
            cause.as_str().clone_into(&mut resolution.outcome);
            cause.in_words().clone_into(&mut resolution.text);
            resolution
        }
    }
}

fn explain(
    question: &Question<'_>,
    mut plan: Plan,
    mut resolution: Resolution,
    settings: &CallSettings,
) -> Resolution {
    resolution.left_out.extend(plan.skipped().iter().map(|skipped| LeftOutView {
        device: None,
        link: Some(skipped.link.to_string()),
        why: skipped.why.as_str().to_owned(),
    }));
    while let Some(attempt) = plan.next_attempt() {
        let view = attempt_view(question, &plan, &attempt, resolution.user.as_ref());
        resolution.attempts.push(AttemptView { rings_for: plan.ring_time(settings).as_secs(), ..view });
    }
    "rings".clone_into(&mut resolution.outcome);
    let first = resolution.attempts.first().map(|attempt| attempt.text.clone());
    resolution.text = first.unwrap_or_default();
    resolution
}

fn attempt_view(
    question: &Question<'_>,
    plan: &Plan,
    attempt: &Attempt,
    user: Option<&UserView>,
) -> AttemptView {
    let view = |by: &str, why: &str, text: String| AttemptView {
        by: by.to_owned(),
        why: why.to_owned(),
        text,
        ..AttemptView::default()
    };
    match attempt.first() {
        Some(Target::Asterisk { .. }) => {
            let text =
                "Asterisk's dialplan decides; for an extension it rings the devices, then takes a message.";
            view("asterisk", "dialplan", text.to_owned())
        }
        Some(Target::Link(choice)) => {
            let (why, text) = why_link(plan, choice, user);
            AttemptView { link: Some(way_view(question, choice)), ..view("link", why, text) }
        }
        first => {
            let why = match first {
                Some(Target::Device { why, .. }) => why.as_str(),
                _ => "",
            };
            let devices: Vec<_> = attempt.iter().filter_map(device_of).map(device_view).collect();
            let text = of_devices(why, devices.len());
            AttemptView { devices, ..view("devices", why, text) }
        }
    }
}

fn of_devices(why: &str, count: usize) -> String {
    match (why, count) {
        ("preferred", _) => "The device that they prefer.".to_owned(),
        ("used-last", _) => "They are away from the desk: the device that they used last.".to_owned(),
        ("desk-phone-fallback", _) => "The desk phone, after all else.".to_owned(),
        (_, 1) => "Their one device of this q value.".to_owned(),
        (_, count) => format!("{count} devices together."),
    }
}

fn why_link(plan: &Plan, choice: &Choice, user: Option<&UserView>) -> (&'static str, String) {
    match user {
        _ if plan.is_emergency() => ("emergency", "A way out of the building.".to_owned()),
        Some(user) if plan.is_visit() => {
            let age = user.age.map_or_else(String::new, |age| format!(", known {age} s ago"));
            ("visiting", format!("They are visiting {}{age}.", user.office))
        }
        Some(user) if choice.office.is_some() => ("home", format!("Their home office {}.", user.home)),
        _ => ("route", "A route answers this number.".to_owned()),
    }
}

/// Whose extension the number is: the same that calls find.
fn user(question: &Question<'_>) -> Option<User> {
    let exists = |extension: &Extension| question.registrar.has_account(extension);
    let Some(roaming) = question.roaming else {
        let extension = question.number.parse().ok().filter(exists)?;
        return Some(User { aor: None, extension, whereabouts: Whereabouts::Local });
    };
    let (aor, extension) = match named(question.number, question.numbers, exists, roaming) {
        Named::Own(own) => (super::roamers::aor_of_own(question, roaming, &own), own),
        Named::Visitor { home: Some(home), extension } => {
            (Aor { home, extension: extension.clone() }, extension)
        }
        Named::Visitor { home: None, .. } | Named::Nobody => return None,
    };
    let whereabouts = roaming.locate(&aor, question.now);
    Some(User { aor: Some(aor), extension, whereabouts })
}

fn user_view(question: &Question<'_>, own: &str, user: &User) -> UserView {
    let known = user.aor.as_ref().zip(question.roaming).and_then(|(aor, roaming)| roaming.known(aor));
    let extension = user.aor.as_ref().map_or(&user.extension, |aor| &aor.extension);
    let (place, office) = match user.whereabouts {
        Whereabouts::Local => ("here", own.to_owned()),
        Whereabouts::Visiting { office, .. } => ("visiting", office.to_string()),
        Whereabouts::Home { office, .. } => ("home", office.to_string()),
    };
    let is_of_office =
        |office: &str| known.as_ref().filter(|(entry, _)| entry.version.office.as_str() == office);
    UserView {
        extension: extension.to_string(),
        home: user.aor.as_ref().map_or_else(|| own.to_owned(), |aor| aor.home.to_string()),
        place: place.to_owned(),
        since: is_of_office(&office).map(|(entry, _)| entry.version.registered.wall().0),
        age: user.whereabouts.age().map(|age| age.as_secs()),
        availability: question
            .registrar
            .serves(&user.extension)
            .then(|| question.registrar.availability(&user.extension)),
        office,
    }
}

const fn device_of(target: &Target) -> Option<&Binding> {
    match target {
        Target::Device { binding, .. } => Some(binding),
        Target::Asterisk { .. } | Target::Link(_) => None,
    }
}

fn device_view(binding: &Binding) -> DeviceView {
    DeviceView {
        id: DeviceId::of(&binding.key.device).to_string(),
        kind: binding.kind().as_str().to_owned(),
        name: binding.user_agent.clone(),
        q: binding.q,
        since: binding.created.0,
        used: binding.used.map(|used| used.0),
    }
}

fn way_view(question: &Question<'_>, choice: &Choice) -> WayView {
    let link = &choice.link;
    let answers = question.asterisk == super::plan::AsteriskState::Up;
    let seen = question.router.links.overview().find(|one| one.link.id == link.id);
    WayView {
        id: link.id.to_string(),
        kind: link.kind.as_str().to_owned(),
        office: choice.office.map(|office| office.to_string()),
        state: question.router.links.standing(link, answers).state.as_str().to_owned(),
        failure: seen.and_then(|one| one.failure).map(|failure| failure.as_str().to_owned()),
        number: choice.number.clone(),
    }
}
