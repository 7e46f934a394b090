//! What was used of rules' limits, on its way from flash and to flash.

use super::Engine;
use crate::engine::output::{Change, Output, StoreTicket};
use crate::engine::policy::TallyRow;
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

    fn write_tally(&mut self, rows: Vec<TallyRow>) {
        for row in rows {
            self.tickets += 1;
            let ticket = StoreTicket(self.tickets);
            self.out.push_back(Output::Persist { ticket, change: Change::Tally(row) });
        }
    }
}
