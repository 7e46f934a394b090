//! Whether one more call is allowed.

use super::calls::Calls;
use super::cause::Cause;
use super::effects::Effects;
use super::model::Call;
use super::plan::Plan;
use crate::engine::flow::Side;

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
        if self.active >= limits.max || own >= limits.per_extension {
            return Err(Cause::Limit);
        }
        Ok(())
    }

    /// Whether the limits of the route table allow one more call over links. Emergency calls are not limited.
    pub(super) fn has_room_on_links(
        &self,
        side: Side,
        caller: &str,
        plan: &Plan,
        fx: &Effects<'_>,
    ) -> Result<(), Cause> {
        let from = if let Side::Office(office) = side { Some(office) } else { None };
        if plan.is_emergency() || (!plan.begins_with_link() && from.is_none()) {
            return Ok(());
        }
        let limits = fx.router.limits();
        let all = || self.table.values().filter(|call| call.is_active() && call.uses_links());
        let is_free = |limit: Option<u32>, used: usize| {
            limit.is_none_or(|most| used < usize::try_from(most).unwrap_or(usize::MAX))
        };
        let of_caller = || all().filter(|call| call.peer_of(1).number == caller).count();
        let with = |office| all().filter(|call| call.is_with(office)).count();
        let fits = is_free(limits.calls, all().count())
            && (side != Side::Site || is_free(limits.calls_per_user, of_caller()))
            && [plan.first_office(), from]
                .into_iter()
                .flatten()
                .all(|office| is_free(limits.calls_per_office, with(office)));
        if fits { Ok(()) } else { Err(Cause::Limit) }
    }
}
