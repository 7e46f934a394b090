//! Whether one more call is allowed.
//!
//! | limit | of | one more call |
//! | --- | --- | --- |
//! | `limit` | all calls of the box | is refused |
//! | `limit-user` | an extension's devices; a caller's calls over links | is refused |
//! | `limit-links` | all calls over links | is refused |
//! | `limit-office` | calls from and to another office | is refused if it comes from there; goes over links to others if it does not |
//! | `limit-link` | calls on a link | goes over the next link, at once |

use super::calls::Calls;
use super::cause::Cause;
use super::effects::Effects;
use super::model::Call;
use super::plan::Plan;
use crate::engine::flow::Side;
use crate::engine::numbering::OfficeId;
use crate::engine::routing::{Choice, SkipReason};

impl Calls {
    /// Whether one more call is allowed. Emergency calls always are. An extension's limit is for what its devices dial;
    /// what Asterisk places on its behalf, or on an outsider's, counts only among all.
    pub(super) fn has_room(
        &self,
        side: Side,
        number: &str,
        dialled: &str,
        fx: &Effects<'_>,
    ) -> Result<(), Cause> {
        if fx.is_emergency(dialled) {
            return Ok(());
        }
        if self.draining {
            return Err(Cause::Shutdown);
        }
        let limits = &fx.settings.calls;
        let is_own = |call: &Call| {
            let caller = call.legs.first().map(|leg| leg.party.number.as_str());
            call.is_active() && call.side == Side::Site && caller == Some(number)
        };
        let own =
            if side == Side::Site { self.table.values().filter(|call| is_own(call)).count() } else { 0 };
        if self.active >= limits.max {
            Err(Cause::Limit)
        } else if own >= limits.per_extension {
            Err(Cause::UserLimit)
        } else {
            Ok(())
        }
    }

    /// Whether the limits of calls over links allow one more. Takes links to offices that have as many calls as they may out
    /// of the plan. Emergency calls are not limited.
    pub(super) fn has_room_on_links(
        &self,
        (side, from): (Side, Option<OfficeId>),
        caller: &str,
        plan: &mut Plan,
        fx: &Effects<'_>,
    ) -> Result<(), Cause> {
        if plan.is_emergency() || (!plan.begins_with_link() && from.is_none()) {
            return Ok(());
        }
        let limits = fx.router.limits(&fx.settings.routing.limits);
        let all = || self.table.values().filter(|call| call.is_active() && call.uses_links());
        let is_free = |limit: Option<u32>, used: usize| {
            limit.is_none_or(|most| used < usize::try_from(most).unwrap_or(usize::MAX))
        };
        let of_caller = || all().filter(|call| call.peer_of(1).number == caller).count();
        let with = |office| all().filter(|call| call.is_with(office)).count();
        let is_full = |office| !is_free(limits.calls_per_office, with(office));
        if !is_free(limits.calls, all().count()) {
            return Err(Cause::LinksLimit);
        }
        let is_user = side == Side::Site || from.is_some();
        if is_user && !is_free(limits.calls_per_user, of_caller()) {
            return Err(Cause::UserLimit);
        }
        if from.is_some_and(is_full) {
            return Err(Cause::OfficeLimit);
        }
        if limits.calls_per_office.is_some() {
            let is_of_full = |choice: &Choice| choice.office.filter(|office| is_full(*office));
            plan.leave_out(|choice| is_of_full(choice).map(|_| SkipReason::OfficeFull));
        }
        if plan.is_empty() { Err(Cause::OfficeLimit) } else { Ok(()) }
    }
}
