//! Text tables, dates and durations for people; JSON for tools.

use std::io::Write;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;

use super::Failure;
use crate::time::WallTime;

/// Prints `value` as JSON and a line's end.
pub(super) fn print_json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// Prints columns as wide as their widest cell. Control characters, which devices may put into their names, are
/// shown and not sent to the terminal.
pub(super) fn print_table<const COLUMNS: usize>(
    out: &mut dyn Write,
    head: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> Result<(), Failure> {
    let rows: Vec<[String; COLUMNS]> =
        rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    let mut widths = head.map(|cell| cell.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut print = |cells: [&str; COLUMNS]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    print(head)?;
    for row in &rows {
        print(row.each_ref().map(String::as_str))?;
    }
    Ok(())
}

/// Prints names and what is to be said of each.
pub(super) fn print_facts(out: &mut dyn Write, rows: &[[String; 2]]) -> Result<(), Failure> {
    for [name, fact] in rows {
        writeln!(out, "{name:<12} {}", printable(fact))?;
    }
    Ok(())
}

/// Now.
pub(super) fn now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// `2026-11-21 05:33 UTC`
pub(super) fn date(at: WallTime) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(i64::try_from(at.seconds()).unwrap_or(i64::MAX)) else {
        return "never".to_owned();
    };
    let (year, month, day) = at.to_calendar_date();
    format!("{year}-{:02}-{day:02} {:02}:{:02} UTC", u8::from(month), at.hour(), at.minute())
}

/// The two largest units: `3d 4h`, `12m 5s`, `7s`.
pub(super) fn span(of: Duration) -> String {
    let seconds = of.as_secs();
    let units =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let from_first = units.iter().skip_while(|(count, _)| *count == 0).take(2);
    let shown: Vec<String> =
        from_first.filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if shown.is_empty() { "0s".to_owned() } else { shown.join(" ") }
}

fn printable(cell: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    cell.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_terminals_are_safe() {
        let mut out = Vec::new();
        let rows = [["1001".to_owned(), "Zoë".to_owned()], ["7".to_owned(), "\u{1b}[2J".to_owned()]];
        print_table(&mut out, ["EXTENSION", "NAME"], &rows).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "EXTENSION  NAME\n1001       Zoë\n7          \\u{1b}[2J\n"
        );
    }

    #[test]
    fn dates_and_spans_read_well() {
        assert_eq!(date(WallTime(1_795_239_180_000)), "2026-11-21 05:33 UTC");
        assert_eq!(date(WallTime(u64::MAX)), "never");
        for (seconds, text) in [(0, "0s"), (7, "7s"), (725, "12m 5s"), (3600, "1h"), (273_600, "3d 4h")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
