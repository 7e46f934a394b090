//! Which of this office's users need a new sealed record: the account is new, its password or name changed, half of the
//! record's life is over, or another key seals now. Whose account is gone gets one that says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::aor::Aor;
use super::entry::Second;
use super::keyring::{KeyId, Keyring};
use super::verifier::{SealedVerifier, Standing, fingerprint};
use crate::engine::numbering::Extension;
use crate::time::WallTime;

/// For how long a record is good: how long an office is served that hears nothing from the home office.
const LIFE: Duration = Duration::from_secs(30 * 86_400);
/// Records issued at once; the rest comes the next time.
const MOST_AT_ONCE: usize = 500;

/// A record that is to be sealed.
#[derive(Clone, Debug)]
pub struct ToIssue {
    /// Whose.
    pub aor: Aor,
    /// What it says.
    pub standing: Standing,
    /// Its generation.
    pub generation: u64,
    /// When it ends.
    pub not_after: Second,
}

/// The newest record of one of our users, issued or heard back.
#[derive(Debug)]
struct Issued {
    aor: Aor,
    generation: u64,
    not_after: Second,
    key: KeyId,
    says: Option<[u8; 32]>,
    is_good: bool,
}

/// What was issued. Bounded by the accounts that there are and were.
#[derive(Debug, Default)]
pub struct Issuer(BTreeMap<Extension, Issued>);

impl Issuer {
    /// A record of one of our users was issued, or the broker had it.
    pub fn note(&mut self, record: &SealedVerifier, standing: &Standing) {
        let known = self.0.get(&record.aor.extension);
        if known.is_some_and(|known| known.generation >= record.generation) {
            return;
        }
        let issued = Issued {
            aor: record.aor.clone(),
            generation: record.generation,
            not_after: record.not_after,
            key: record.key,
            says: fingerprint(standing),
            is_good: matches!(standing, Standing::Good(_)),
        };
        self.0.insert(record.aor.extension.clone(), issued);
    }

    /// The records to seal, of all that `wanted` says of our users; each is [noted](Self::note) once it is sealed.
    pub fn due(&self, wanted: Vec<(Aor, Standing)>, keyring: &Keyring, now: WallTime) -> Vec<ToIssue> {
        let second = Second::of(now);
        let here: BTreeSet<_> = wanted.iter().map(|(aor, _)| aor.extension.clone()).collect();
        let is_gone = |issued: &&Issued| issued.is_good && !here.contains(&issued.aor.extension);
        let gone = self.0.values().filter(is_gone).map(|issued| (issued.aor.clone(), Standing::Revoked));
        let due = wanted.into_iter().filter(|(aor, standing)| self.is_due(aor, standing, keyring, second));
        due.chain(gone)
            .take(MOST_AT_ONCE)
            .map(|(aor, standing)| {
                let known = self.0.get(&aor.extension).map_or(0, |known| known.generation);
                let generation = known.saturating_add(1).max(now.seconds());
                ToIssue { aor, standing, generation, not_after: second.plus(LIFE) }
            })
            .collect()
    }

    fn is_due(&self, aor: &Aor, standing: &Standing, keyring: &Keyring, now: Second) -> bool {
        self.0.get(&aor.extension).is_none_or(|known| {
            known.key != keyring.sealing().id()
                || known.not_after.since(now) < LIFE / 2
                || known.says != fingerprint(standing)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::roaming::Verifier;
    use crate::sip::digest::UserKeys;

    fn aor(extension: &str) -> Aor {
        Aor { home: "BRU".parse().unwrap(), extension: extension.parse().unwrap() }
    }

    fn good(password: &str) -> Standing {
        Standing::Good(Box::new(Verifier {
            realm: "offices".to_owned(),
            username: "1001".to_owned(),
            display_name: None,
            keys: UserKeys::new("1001", "offices", password),
        }))
    }

    fn keyring(ids: &[u32]) -> Keyring {
        let lines: Vec<_> = ids.iter().map(|id| format!("{id}:{}", "5a".repeat(32))).collect();
        Keyring::parse(&lines.join("\n")).unwrap()
    }

    /// Issues what is due; how many records, and the generation of the last.
    fn issue(
        issuer: &mut Issuer,
        wanted: Vec<(Aor, Standing)>,
        keyring: &Keyring,
        days: u64,
    ) -> (usize, u64) {
        let due = issuer.due(wanted, keyring, WallTime(days * 86_400_000));
        for one in &due {
            let about = (one.generation, one.not_after);
            let record =
                SealedVerifier::seal(&one.aor, &one.standing, about, keyring.sealing(), [0; 12]).unwrap();
            issuer.note(&record, &one.standing);
        }
        (due.len(), due.last().map_or(0, |one| one.generation))
    }

    #[test]
    fn a_record_is_issued_when_something_changed_or_half_its_life_is_over() {
        let mut issuer = Issuer::default();
        let (old, both) = (keyring(&[1]), keyring(&[2, 1]));
        let wanted = |password| vec![(aor("32-1001"), good(password))];
        assert_eq!(issue(&mut issuer, wanted("one"), &old, 100), (1, 100 * 86_400));
        assert_eq!(issue(&mut issuer, wanted("one"), &old, 115).0, 0);
        assert_eq!(issue(&mut issuer, wanted("two"), &old, 115).0, 1, "another password");
        assert_eq!(issue(&mut issuer, wanted("two"), &both, 115), (1, 115 * 86_400 + 1), "another key");
        assert_eq!(issue(&mut issuer, wanted("two"), &both, 131).0, 1, "half its life is over");
        assert_eq!(issue(&mut issuer, Vec::new(), &both, 131).0, 1, "the account is gone");
        assert_eq!(issue(&mut issuer, Vec::new(), &both, 200).0, 0);
        assert_eq!(issue(&mut issuer, wanted("two"), &both, 200).0, 1, "it is back");
    }

    #[test]
    fn an_older_record_that_is_heard_changes_nothing() {
        let mut issuer = Issuer::default();
        let keyring = keyring(&[1]);
        issue(&mut issuer, vec![(aor("32-1001"), good("one"))], &keyring, 100);
        let old =
            SealedVerifier::seal(&aor("32-1001"), &good("old"), (7, Second(0)), keyring.sealing(), [0; 12]);
        issuer.note(&old.unwrap(), &good("old"));
        assert_eq!(issue(&mut issuer, vec![(aor("32-1001"), good("one"))], &keyring, 100).0, 0);
    }

    #[test]
    fn very_many_are_issued_a_few_at_a_time() {
        let mut issuer = Issuer::default();
        let wanted = || (0..700).map(|n| (aor(&format!("32-{}", 10_000 + n)), good("one"))).collect();
        assert_eq!(issue(&mut issuer, wanted(), &keyring(&[1]), 1).0, 500);
        assert_eq!(issue(&mut issuer, wanted(), &keyring(&[1]), 1).0, 200);
        assert_eq!(issue(&mut issuer, wanted(), &keyring(&[1]), 1).0, 0);
    }
}
