//! The whole signalling engine, in virtual time, with phones, browsers and Asterisk around it.
//!
//! The input is a play of scenes, apart by `~`. A scene's first byte says what happens, its second where (a digit:
//! a flow, a page, an end, a dialog), the rest how:
//!
//! | scene | what happens |
//! | --- | --- |
//! | `m` | the message comes in on that flow |
//! | `a` | the same, and when it is challenged it comes again with the right password |
//! | `r` | the far end answers that INVITE (`0` the newest): a status, `!` for reliable, then a body |
//! | `d` | a request in that dialog (`0` the newest): a method, then a body |
//! | `w` | a page: `open 1003`, `close`, `dial 1002 …`, `accept …`, `end`, `busy`, `signals`, or a signal in JSON |
//! | `c` | connectivity: `c`onnected, `m`oved, `p`eer closed, `f`ailed |
//! | `v` | media: `f`irst packet, `s`ilent, `r`esumed, `d`igit, refused |
//! | `t` | so many milliseconds pass |
//! | `o`, `f` | a connection opens, breaks |
//! | `x` | from now on the far ends answer nothing by themselves; `p` the flash fails |
//!
//! `$plain`, `$sdes`, `$dtls` (an offer) and `$answer` (to DTLS) in a scene stand for a whole description.

mod far_end;
mod world;

use self::world::World;

/// Scenes of one play, so that a play stays short.
const MOST_SCENES: usize = 64;

/// See the module.
pub fn run(data: &[u8]) {
    let _ = play(data);
}

/// Plays all scenes; says how many calls were answered.
fn play(data: &[u8]) -> usize {
    let mut world = World::new();
    for scene in data.split(|byte| *byte == b'~').take(MOST_SCENES) {
        world.play(scene.trim_ascii_start());
    }
    world.end();
    world.answered
}

#[cfg(test)]
mod tests {
    use super::play;

    #[test]
    fn the_seeds_reach_what_they_are_for() {
        assert_eq!(play(include_bytes!("../seeds/engine/phone-to-asterisk")), 1);
        assert_eq!(play(include_bytes!("../seeds/engine/called-by-asterisk")), 1);
        assert_eq!(play(include_bytes!("../seeds/engine/page-calls-and-is-called")), 2);
    }
}
