//! What was used of rules' limits, on its way from flash and to flash; and what offices' messages may reach.

use super::Engine;
use crate::engine::numbering::OfficeId;
use crate::engine::output::{Change, Output, StoreTicket};
use crate::engine::policy::{Destination, Guest, TallyRow};
use crate::time::Now;

impl Engine {
    /// What was on flash at the start.
    pub(super) fn tally_restored(&mut self, now: Now, rows: Vec<(String, String)>) {
        let useless = self.tally.restore(rows, now);
        self.write_tally(useless);
    }

    /// Writes what changed, when it is time to, or `anyway`.
    pub(super) fn tally_changed(&mut self, now: Now, anyway: bool) {
        let rows = self.tally.rows(now, anyway);
        self.write_tally(rows);
    }

    /// Whether another office may write to our extensions.
    pub(super) fn may_write(&self, office: Option<OfficeId>, number: &str) -> bool {
        let permissions = self.router.permissions(&self.settings.routing.permissions);
        let guest = office.map(|office| Guest { office, visits: false });
        permissions.judge(guest.as_slice(), Destination::Extensions, number).is_ok()
    }

    fn write_tally(&mut self, rows: Vec<TallyRow>) {
        for row in rows {
            self.tickets += 1;
            let ticket = StoreTicket(self.tickets);
            self.out.push_back(Output::Persist { ticket, change: Change::Tally(row) });
        }
    }
}
