//! What libFuzzer calls: the target is named by `FUZZ_TARGET`, everything else by libFuzzer's own arguments.
#![no_main]
#![allow(unsafe_code, reason = "libFuzzer is a C library")]

use std::ffi::{c_char, c_int};
use std::sync::LazyLock;

use branchline_fuzz::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    TARGETS.into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|(known, _)| *known).collect();
        panic!("FUZZ_TARGET is one of {}", names.join(", "))
    })
});

/// Once, at the start: a panic must end the process, so that libFuzzer sees it and saves the input.
#[unsafe(no_mangle)]
extern "C" fn LLVMFuzzerInitialize(_count: *const c_int, _arguments: *const *const *const c_char) -> c_int {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::abort();
    }));
    LazyLock::force(&TARGET);
    0
}

/// One input.
#[unsafe(no_mangle)]
extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, length: usize) -> c_int {
    // SAFETY: libFuzzer gives `length` readable bytes, which stay until we return; none when the length is zero.
    let bytes = if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, length) } };
    TARGET.1(bytes);
    0
}
