//! What becomes of calls and registrations when the service stops, restarts or dies.

use std::time::{Duration, Instant};

use peers::phone::{Call, Phone, Settings};
use peers::{Failure, Outcome};

use crate::installed::{Installed, UNIT, package};

const GAP: Duration = Duration::from_millis(60);

/// Two phones in a call: the caller's call, the called one's, and the phones that must outlive them.
async fn talk(settings: Vec<Settings>) -> Outcome<(Phone, Phone, Call, Call)> {
    let [ann, bob] = two(settings)?;
    let (mut ann, mut bob) = (Phone::open(ann).await?, Phone::open(bob).await?);
    ann.register().await?;
    bob.register().await?;
    let mut calling = ann.call("1002")?;
    let called = bob.called().await?.answer().await?;
    calling.answered().await?;
    calling.media().send_tone(440.0);
    called.media().send_tone(700.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    called.media().hear(Duration::from_secs(1)).await.expect_tone(440.0, GAP)?;
    Ok((ann, bob, calling, called))
}

#[test]
fn a_stop_waits_for_the_calls_that_are_up() -> Outcome {
    let site = Installed::boot("drain")?;
    site.start()?;
    let phones = site.extensions(&["1001", "1002"])?;
    site.machine.run_in_network(async || {
        let (ann, _bob, mut calling, called) = talk(phones).await?;
        site.systemctl(&["stop", "--no-block", UNIT])?;
        site.property_until("ActiveState", |state| state == "deactivating")?;
        site.property_until("StatusText", |text| text.contains("1 call"))?;
        // They go on talking; nobody begins anew.
        let (from_bob, from_ann) = tokio::join!(
            calling.media().hear(Duration::from_secs(3)),
            called.media().hear(Duration::from_secs(3))
        );
        from_bob.expect_tone(700.0, GAP)?;
        from_ann.expect_tone(440.0, GAP)?;
        ann.call("1002")?.refused(503).await?;
        assert_eq!(site.property("ActiveState")?, "deactivating");
        calling.hang_up().await?;
        let began = Instant::now();
        site.property_until("ActiveState", |state| state == "inactive")?;
        println!("stopped {:?} after the last call", began.elapsed());
        Ok(())
    })?;
    assert_eq!(site.property("Result")?, "success");
    site.machine.stop()
}

#[test]
fn a_call_that_does_not_end_is_ended_when_the_drain_is_over() -> Outcome {
    let site = Installed::boot_with(package("drained", "[calls]\ndrain-time = \"2s\"\n")?)?;
    site.start()?;
    let phones = site.extensions(&["1001", "1002"])?;
    site.machine.run_in_network(async || {
        let (_ann, _bob, mut calling, mut called) = talk(phones).await?;
        let began = Instant::now();
        site.systemctl(&["stop", "--no-block", UNIT])?;
        let (first, second) = tokio::join!(calling.ended(), called.ended());
        first?;
        second?;
        site.property_until("ActiveState", |state| state == "inactive")?;
        let took = began.elapsed();
        println!("stop with a call that stays: {took:?}");
        assert!((2..8).contains(&took.as_secs()), "{took:?}");
        Ok(())
    })?;
    assert_eq!(site.property("Result")?, "success");
    site.machine.stop()
}

#[test]
fn registrations_outlive_a_crash() -> Outcome {
    let site = Installed::boot("registrations")?;
    // Created before the first start, by root.
    let phones = site.extensions(&["1001", "1002"])?;
    site.start()?;
    site.machine.run_in_network(async || {
        let [ann, bob] = two(phones)?;
        let (mut ann, mut bob) = (Phone::open(ann).await?, Phone::open(bob).await?);
        ann.register().await?;
        bob.register().await?;
        site.kill("SIGKILL")?;
        site.restarted(1)?;
        site.property_until("StatusText", |text| text == "BRU: 0 calls, 2 devices")?;
        let mut calling = ann.call("1002")?;
        let mut called = bob.called().await?.answer().await?;
        calling.answered().await?;
        calling.hang_up().await?;
        called.ended().await.map(drop)
    })?;
    site.machine.stop()
}

fn two(settings: Vec<Settings>) -> Outcome<[Settings; 2]> {
    settings.try_into().map_err(|all: Vec<_>| Failure::new(format!("{} extensions, not two", all.len())))
}
