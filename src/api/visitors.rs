//! Accounts of other offices' users, as the engine verified them: kept in memory for a minute, so that not every request of
//! a visitor's page has their record opened again. A password that was changed, or an account that is gone, counts within that
//! minute. Bounded; the one nearest to its end gives way. The digests are wiped when an entry goes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::auth::WebAccount;
use super::problem::{Problem, Reason};
use super::state::Api;
use crate::engine::numbering::Extension;
use crate::engine::web::{Known, VisitorAccount, WebReply};

/// How long an account is believed.
const LIFE: Duration = Duration::from_secs(60);
/// Accounts that are kept.
const CAPACITY: usize = 1024;

/// The accounts that were asked for in the last minute.
#[derive(Debug, Default)]
pub(crate) struct Visitors(HashMap<Extension, (WebAccount, Instant)>);

impl Visitors {
    /// An account that is still believed.
    fn get(&mut self, now: Instant, extension: &Extension) -> Option<WebAccount> {
        self.0.retain(|_, (_, until)| *until > now);
        self.0.get(extension).map(|(account, _)| account.clone())
    }

    fn keep(&mut self, now: Instant, account: WebAccount) {
        self.0.retain(|_, (_, until)| *until > now);
        if self.0.len() >= CAPACITY
            && let Some(first) =
                self.0.iter().min_by_key(|(_, (_, until))| *until).map(|(extension, _)| extension.clone())
        {
            self.0.remove(&first);
        }
        if let Some(until) = now.checked_add(LIFE) {
            self.0.insert(account.extension.clone(), (account, until));
        }
    }
}

/// Whose account a text names, where it is not simply one of ours: a visitor's, or one of ours with country or office.
pub(crate) async fn account(api: &Api, user: &str) -> Result<Option<WebAccount>, Problem> {
    match api.line().who_is(user).await? {
        WebReply::Account(Known::Own(extension)) => Ok(api.accounts().by_extension(extension.as_str())),
        WebReply::Account(Known::Visitor(visitor)) => {
            let account = web_account(*visitor);
            api.visitors().keep(Instant::now(), account.clone());
            Ok(Some(account))
        }
        WebReply::Refused(refusal) => Err(refusal.into()),
        WebReply::Account(Known::Nobody) => Ok(None),
        _ => Err(Reason::EngineTimeout.into()),
    }
}

/// The account of an extension to which a session token was issued.
pub(crate) async fn account_of_token(api: &Api, extension: &str) -> Option<WebAccount> {
    if let Some(account) = api.accounts().by_extension(extension) {
        return Some(account);
    }
    let number: Extension = extension.parse().ok()?;
    let kept = api.visitors().get(Instant::now(), &number);
    match kept {
        Some(account) => Some(account),
        None => account(api, extension).await.ok().flatten(),
    }
}

fn web_account(visitor: VisitorAccount) -> WebAccount {
    WebAccount {
        extension: visitor.extension,
        username: visitor.username,
        name: visitor.name.unwrap_or_default(),
        ha1_sha256: Some(Zeroizing::new(*visitor.keys.sha256.secret())),
        ha1_md5: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u32) -> WebAccount {
        WebAccount {
            extension: format!("32-{number}").parse().unwrap(),
            username: "1001".to_owned(),
            name: String::new(),
            ha1_sha256: Some(Zeroizing::new([1; 32])),
            ha1_md5: None,
        }
    }

    #[test]
    fn accounts_are_believed_for_a_minute_and_are_bounded() {
        let (mut visitors, now) = (Visitors::default(), Instant::now());
        visitors.keep(now, account(1001));
        let ann = "32-1001".parse().unwrap();
        assert!(visitors.get(now + Duration::from_secs(59), &ann).is_some());
        assert!(visitors.get(now + LIFE, &ann).is_none());
        for number in 0..1100_u32 {
            visitors.keep(now + Duration::from_millis(u64::from(number)), account(10_000 + number));
        }
        assert_eq!(visitors.0.len(), CAPACITY);
        assert!(visitors.get(now + Duration::from_secs(2), &"32-10000".parse().unwrap()).is_none());
    }
}
