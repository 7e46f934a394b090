//! Many short scripts in one office: each is named, all are played, and what failed is told at the end.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::{Failure, Outcome};

/// Nothing that a test does takes longer.
const LONGEST: Duration = Duration::from_secs(120);

type Script<'a> = Pin<Box<dyn Future<Output = Outcome<String>> + 'a>>;

/// Scripts to be played.
#[derive(Default)]
pub struct Cases<'a> {
    scripts: Vec<(&'static str, Script<'a>)>,
}

impl<'a> Cases<'a> {
    /// Adds a script; what it returns is printed beside its name. `CASE` in the environment picks some by a
    /// part of their names.
    pub fn add(&mut self, name: &'static str, script: impl Future<Output = Outcome<String>> + 'a) {
        let picked = std::env::var("CASE").unwrap_or_default();
        if name.contains(&picked) {
            self.scripts.push((name, Box::pin(script)));
        }
    }

    /// Plays them, `at_once` side by side.
    pub async fn play(self, at_once: usize) -> Outcome {
        let mut failures = Vec::new();
        let mut waiting = self.scripts.into_iter();
        let mut playing: Vec<(&'static str, Script<'a>)> = Vec::new();
        loop {
            while playing.len() < at_once {
                let Some((name, script)) = waiting.next() else { break };
                playing.push((name, Box::pin(timed(name, script))));
            }
            if playing.is_empty() {
                break;
            }
            let (name, outcome) = next(&mut playing).await;
            match outcome {
                Ok(figures) => println!("  ok      {name}: {figures}"),
                Err(failure) => {
                    println!("  FAILED  {name}");
                    failures.push(format!("== {name}\n{failure}"));
                }
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n\n"))) }
    }
}

async fn timed(name: &'static str, script: Script<'_>) -> Outcome<String> {
    let start = Instant::now();
    match timeout(LONGEST, script).await {
        Ok(outcome) => outcome.map(|figures| format!("{figures} ({:.1} s)", start.elapsed().as_secs_f64())),
        Err(_) => Err(Failure::new(format!("{name} did not end within {LONGEST:?}"))),
    }
}

/// The first of them to end, taken out.
async fn next(playing: &mut Vec<(&'static str, Script<'_>)>) -> (&'static str, Outcome<String>) {
    std::future::poll_fn(|context| {
        for at in 0..playing.len() {
            let script = playing[at].1.as_mut();
            // A failed assertion is one script's failure, not the end of the others.
            let polled = catch_unwind(AssertUnwindSafe(|| script.poll(context)));
            let outcome = match polled {
                Ok(Poll::Pending) => continue,
                Ok(Poll::Ready(outcome)) => outcome,
                Err(panic) => Err(Failure::new(words_of(panic.as_ref()))),
            };
            return Poll::Ready((playing.remove(at).0, outcome));
        }
        Poll::Pending
    })
    .await
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
