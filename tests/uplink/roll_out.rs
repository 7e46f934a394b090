//! Route sets for several offices, stage by stage.

use peers::Outcome;
use peers::office::Office;
use serde_json::json;

use crate::BINARY;
use crate::ops::{OpsDesk, route_set};
use crate::sites::{SOON, Site, topic};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stages_follow_each_other_and_stop_at_the_first_error() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let desk = OpsDesk::open(&site, &broker)?;
    let mut offices = Vec::new();
    for office in ["BRU", "LON", "PAR"] {
        offices.push(Office::open(BINARY, desk.setup(&site, &broker, office)?).await?);
    }
    std::fs::create_dir_all(desk.path("sets"))?;
    for office in ["BRU", "LON", "PAR"] {
        desk.write(&format!("sets/{office}.json"), &route_set(office, 1, 10))?;
    }
    let words = ["roll-out", "sets", "--stage", "1", "--stage", "PAR", "--settle", "300ms", "--json"];
    let told = desk.run_signing(&words)?;
    assert_eq!(told.code, 0, "{told:?}");
    let told = told.json()?;
    assert_eq!((&told["outcome"], &told["not-sent"]), (&json!("done"), &json!([])));
    let order: Vec<_> =
        told["stages"].as_array().into_iter().flatten().map(|stage| stage[0]["office"].clone()).collect();
    assert_eq!(order, ["BRU", "PAR", "LON"]);

    // LON's box does not know who signed its set: PAR is not sent to.
    for office in ["BRU", "LON", "PAR"] {
        desk.write(&format!("sets/{office}.json"), &route_set(office, 2, 20))?;
    }
    desk.type_in(&["keygen", "stranger"])?;
    desk.type_in(&["sign", "sets/LON.json", "--signing-key", "stranger.key", "--out", "sets/LON.json"])?;
    let told =
        desk.run_signing(&["roll-out", "sets", "--stage", "1", "--stage", "66%", "--settle", "300ms"])?;
    assert_eq!(told.code, 65, "{told:?}");
    assert!(told.text.contains("LON     2         refused  unknown-key"), "{}", told.text);
    assert!(told.text.ends_with("stopped; not sent: PAR\n"), "{}", told.text);
    let fleet = desk.run(&["status", "--json"])?.json()?;
    let revisions: Vec<_> =
        fleet.as_array().into_iter().flatten().map(|one| one["in-force"]["revision"].clone()).collect();
    assert_eq!(revisions, [2, 1, 1]);

    // A box that goes away while its stage settles stops it too.
    for (office, revision) in [("BRU", 3), ("LON", 3), ("PAR", 3)] {
        desk.write(&format!("sets/{office}.json"), &route_set(office, revision, 30))?;
    }
    let killed = offices.remove(0);
    let mut ear = broker.listen().await?;
    let killing = async {
        ear.until(&topic("routes/reported"), SOON, |one| one["in-force"]["revision"] == 3).await?;
        killed.kill();
        Outcome::Ok(())
    };
    let rolling = tokio::task::spawn_blocking(move || {
        desk.run_signing(&["roll-out", "sets", "--stage", "1", "--settle", "30s", "--json"])
    });
    let (told, is_killed) = tokio::join!(rolling, killing);
    is_killed?;
    let told = told??;
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.errors.contains("BRU: the box went off line"), "{told:?}");
    assert_eq!(told.json()?["not-sent"], json!(["LON", "PAR"]));
    killed.restart().await?;
    killed.close().await?;
    for office in offices {
        office.close().await?;
    }
    Ok(())
}
