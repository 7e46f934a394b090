//! Branchline: arguments → configuration → the daemon → exit code. The map is in the library's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    branchline::cli::main(branchline::shell::run)
}
