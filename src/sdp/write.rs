//! Description to text (RFC 8866 §9).

use std::fmt::{self, Write};

use super::attribute::Attribute;
use super::connection::Connection;
use super::media_description::MediaDescription;
use super::parse::rank;
use super::session_description::{Line, SessionDescription};

pub(super) fn session_description(
    description: &SessionDescription,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    line(f, 'v', &0)?;
    line(f, 'o', &description.origin)?;
    line(f, 's', &description.session_name)?;
    lines(f, &description.lines, description.connection.as_ref())?;
    attributes(f, &description.attributes)?;
    description.media.iter().try_for_each(|section| media(f, section))
}

fn media(f: &mut fmt::Formatter<'_>, media: &MediaDescription) -> fmt::Result {
    let ports = media.port_count.map_or_else(String::new, |count| format!("/{count}"));
    let (kind, protocol) = (media.kind.as_str(), media.protocol.as_str());
    line(f, 'm', &format_args!("{kind} {}{ports} {protocol} {}", media.port, media.formats.join(" ")))?;
    lines(f, &media.lines, media.connection.as_ref())?;
    attributes(f, &media.attributes)
}

/// The uninterpreted lines by rank, with the first `c=` in its place among them.
fn lines(f: &mut fmt::Formatter<'_>, lines: &[Line], connection: Option<&Connection>) -> fmt::Result {
    for wanted in 0..=rank('k') {
        if wanted == rank('c')
            && let Some(connection) = connection
        {
            line(f, 'c', connection)?;
        }
        for kept in lines.iter().filter(|kept| rank(kept.letter) == wanted) {
            line(f, kept.letter, &kept.value)?;
        }
    }
    Ok(())
}

fn attributes(f: &mut fmt::Formatter<'_>, attributes: &[Attribute]) -> fmt::Result {
    attributes.iter().try_for_each(|attribute| line(f, 'a', attribute))
}

fn line(f: &mut fmt::Formatter<'_>, letter: char, value: &dyn fmt::Display) -> fmt::Result {
    write!(f, "{letter}=")?;
    write!(OneLine(f), "{value}")?;
    f.write_str("\r\n")
}

/// Lets nothing through that would end the line early, whatever a value was made of.
struct OneLine<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.split(['\r', '\n', '\0']).try_for_each(|part| self.0.write_str(part))
    }
}
