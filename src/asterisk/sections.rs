//! The files that Asterisk includes, one managed section per extension.
//!
//! The templates they lean on (`branchline-extension`, `branchline-aor`, the subroutine `branchline-call`) are
//! in `config/asterisk`. The files are ours alone: each is written whole.

use std::fmt::Write;

/// What Asterisk is told of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredExtension {
    /// The number: digits only.
    pub number: String,
    /// A name for people; shown for the mailbox.
    pub name: String,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedFile {
    /// Its name in Asterisk's configuration directory.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

/// Renders the three files for `extensions`, in their order. What is not a number of 2 to 10 digits is left
/// out: it could not be dialled, and could break a file.
pub fn render(extensions: &[MirroredExtension]) -> Vec<RenderedFile> {
    let mut pjsip = String::new();
    let mut dialplan = String::from("[branchline-extensions]\n");
    let mut mailboxes = String::new();
    for MirroredExtension { number, name } in
        extensions.iter().filter(|extension| is_number(&extension.number))
    {
        let (begin, end) = (format!("; BEGIN MANAGED - Extension {number}\n"), "; END MANAGED\n");
        let _ = write!(
            pjsip,
            "{begin}[{number}](branchline-extension)\naors = {number}\n\
             [{number}](branchline-aor)\nmailboxes = {number}@branchline\n{end}"
        );
        let _ = write!(
            dialplan,
            "{begin}exten => {number},hint,PJSIP/{number}\n\
             exten => {number},1,Gosub(branchline-call,s,1({number},hangup))\n\
             ; Always with voicemail: the same extension behind *8.\n\
             exten => *8{number},1,Gosub(branchline-call,s,1({number},voicemail))\n{end}"
        );
        let _ = writeln!(mailboxes, "{number} => ,{}", mailbox_name(name));
    }
    vec![
        RenderedFile { name: "pjsip_branchline.conf", text: pjsip },
        RenderedFile { name: "extensions_branchline.conf", text: dialplan },
        RenderedFile { name: "voicemail_branchline.conf", text: mailboxes },
    ]
}

fn is_number(text: &str) -> bool {
    (2..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// A name without what Asterisk's files give a meaning to.
fn mailbox_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control() && !matches!(c, ',' | ';' | '|' | '[' | ']')).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(number: &str, name: &str) -> MirroredExtension {
        MirroredExtension { number: number.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn every_extension_has_its_managed_sections() {
        let files = render(&[extension("1001", "Ann"), extension("1002", "Bob; [x],\n#exec")]);
        assert_eq!(
            files[0].text,
            "; BEGIN MANAGED - Extension 1001\n[1001](branchline-extension)\naors = 1001\n\
             [1001](branchline-aor)\nmailboxes = 1001@branchline\n; END MANAGED\n\
             ; BEGIN MANAGED - Extension 1002\n[1002](branchline-extension)\naors = 1002\n\
             [1002](branchline-aor)\nmailboxes = 1002@branchline\n; END MANAGED\n"
        );
        assert!(files[1].text.starts_with(
            "[branchline-extensions]\n; BEGIN MANAGED - Extension 1001\nexten => 1001,hint,PJSIP/1001\n"
        ));
        assert_eq!(
            files[2].text, "1001 => ,Ann\n1002 => ,Bob x#exec\n",
            "a name opens no section and no line"
        );
    }

    #[test]
    fn what_is_not_a_number_is_left_out() {
        let files = render(&[extension("1", ""), extension("10\n[evil]", ""), extension("12345678901", "")]);
        assert_eq!(files[0].text, "");
        assert_eq!(files[1].text, "[branchline-extensions]\n");
    }
}
