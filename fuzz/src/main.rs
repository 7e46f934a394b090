//! libFuzzer's program: the target is named by `FUZZ_TARGET`, everything else by libFuzzer's own arguments.
#![no_main]

use std::sync::LazyLock;

use branchline_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    TARGETS.into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|(known, _)| *known).collect();
        panic!("FUZZ_TARGET is one of {}", names.join(", "))
    })
});

fuzz_target!(|data: &[u8]| TARGET.1(data));
