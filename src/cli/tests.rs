//! Commands as they are typed, and what they print.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use clap::CommandFactory;
use serde_json::Value;

use super::*;

/// A site of its own: configuration, state and runtime directories.
struct Site(PathBuf);

impl Site {
    fn new(name: &str, text: &str) -> Self {
        let root = std::env::temp_dir().join(format!("bl-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let paths =
            format!("[paths]\nstate-dir = \"{0}/state\"\nruntime-dir = \"{0}/run\"\n", root.display());
        fs::write(root.join("branchline.toml"), paths + text).unwrap();
        Self(root)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Types a command line; returns its output.
    fn run(&self, words: &[&str]) -> Result<String, Failure> {
        let config = self.path("branchline.toml");
        let typed = ["branchline"].into_iter().chain(words.iter().copied()).chain(["--config", &config]);
        let arguments =
            Arguments::try_parse_from(typed).map_err(|error| Failure::Usage(error.to_string()))?;
        let mut out = Vec::new();
        let outcome = carry_out(&arguments, &mut out);
        let text = String::from_utf8(out).unwrap();
        match outcome {
            Err(Failure::ProblemsFound(count)) => Ok(format!("{text}{count} problems")),
            other => other.map(|()| text),
        }
    }

    fn json(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.run(&words).unwrap()).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_arguments_are_consistent_and_every_command_explains_itself() {
    Arguments::command().debug_assert();
    for words in
        [vec![], vec!["check"], vec!["ca", "issue"], vec!["extension", "add"], vec!["asterisk", "render"]]
    {
        let typed: Vec<&str> = ["branchline"].into_iter().chain(words.clone()).chain(["--help"]).collect();
        let help = Arguments::try_parse_from(typed).unwrap_err();
        assert!(!help.use_stderr(), "{words:?}");
        assert!(help.to_string().contains("  branchline "), "an example in the help of {words:?}");
    }
}

#[test]
fn an_extension_is_created_listed_given_a_new_password_and_removed() {
    let site = Site::new("extension", "[sip]\nrealm = \"bru.example\"\n");
    let made = site.json(&["extension", "add", "1001-1003", "--name", "Ann"]);
    assert_eq!(made.as_array().unwrap().len(), 3);
    assert_eq!(made[0]["extension"], "1001");
    assert_eq!(made[0]["username"], "1001");
    let password = made[0]["password"].as_str().unwrap();
    assert!(password.len() == 32 && password.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(made[0]["token"].as_str().unwrap().len(), 64);
    let database = fs::read(site.path("state/branchline.db")).unwrap();
    let is_in = |text: &str| database.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(is_in("bru.example") && !is_in(password), "only hashes are stored");

    let again = site.run(&["extension", "add", "1003", "1004"]).unwrap_err();
    assert!(again.exit_code() == 65 && again.to_string().contains("1003 is there already"), "{again}");
    assert_eq!(site.json(&["extension", "list"]).as_array().unwrap().len(), 3, "1004 was not made either");

    let fresh = site.json(&["extension", "password", "1001"]);
    assert_ne!(fresh[0]["password"].as_str().unwrap(), password);
    site.run(&["extension", "remove", "1002"]).unwrap();
    let listed = site.run(&["extension", "list"]).unwrap();
    assert!(listed.contains("1001") && !listed.contains("1002"), "{listed}");
    assert_eq!(site.run(&["extension", "remove", "1002"]).unwrap_err().exit_code(), 66);
}

#[test]
fn a_changed_realm_is_said_to_need_new_passwords() {
    let site = Site::new("realm", "");
    site.run(&["extension", "add", "1001"]).unwrap();
    let config = site.path("branchline.toml");
    fs::write(&config, fs::read_to_string(&config).unwrap() + "[sip]\nrealm = \"new.example\"\n").unwrap();
    assert!(
        site.run(&["extension", "list"])
            .unwrap()
            .contains("made for the realm branchline: needs a new password")
    );
}

#[test]
fn numbers_and_ranges_are_taken_literally() {
    let expand =
        |words: &[&str]| extension::expand(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    assert_eq!(expand(&["0099-0101", "0100", "20"]).unwrap(), ["0099", "0100", "0101", "20"]);
    for bad in
        ["1", "abc", "10-9", "10-100", "1001-", "-1001", "12345678901", "1000000000-9999999999", "10;11"]
    {
        assert!(expand(&[bad]).is_err(), "{bad}");
    }
    let site = Site::new("numbers", "");
    assert_eq!(site.run(&["extension", "add", "112"]).unwrap_err().exit_code(), 65, "an emergency number");
}

#[test]
fn asterisk_is_shown_every_extension() {
    let site = Site::new("mirror", "");
    site.run(&["extension", "add", "1001", "1002"]).unwrap();
    assert_eq!(site.run(&["asterisk", "render"]).unwrap_err().exit_code(), 64, "where to?");
    let out = site.path("etc");
    fs::create_dir(&out).unwrap();
    let printed = site.run(&["asterisk", "render", "--out", &out]).unwrap();
    assert_eq!(printed.lines().count(), 3);
    let pjsip = fs::read_to_string(site.path("etc/pjsip_branchline.conf")).unwrap();
    assert!(pjsip.contains("[1001](branchline-extension)") && pjsip.contains("[1002](branchline-aor)"));
    let missing = site.run(&["asterisk", "render", "--out", "/nonexistent"]).unwrap_err();
    assert!(missing.to_string().contains("cannot write /nonexistent/pjsip_branchline.conf"), "{missing}");
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let good = Site::new("check", "");
    assert!(good.run(&["check"]).unwrap().ends_with("branchline.toml: ok\n"));
    let bad = Site::new("check-bad", "[sip.registrar]\nmin-expire = \"1m\"\nmax-expires = \"3\"\n");
    let text = bad.run(&["check"]).unwrap();
    assert!(
        text.contains(
            "branchline.toml:5:1: sip.registrar.min-expire: unknown key; did you mean `min-expires`?"
        )
    );
    assert!(
        text.contains(":6:15: sip.registrar.max-expires: expected a time with its unit")
            && text.ends_with("2 problems")
    );
    let report: Value =
        serde_json::from_str(bad.run(&["check", "--json"]).unwrap().trim_end_matches("2 problems")).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["problems"][0]["line"], 5);
    assert_eq!(report["problems"][0]["key"], "sip.registrar.min-expire");
}

#[test]
fn check_looks_at_certificates_and_keys() {
    let site = Site::new("check-files", "");
    let ca = site.path("ca");
    let made = site.json(&["ca", "init", &ca, "--server", "bru.example", "--server", "127.0.0.1"]);
    let (certificate, key) = (made["certificate"].as_str().unwrap(), made["key"].as_str().unwrap());
    let config = site.path("tls.toml");
    fs::write(&config, format!("[sip.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\nclient-certificate = \"required\"\nca = \"{ca}/ca.pem\"\ncrl = \"{ca}/crl.pem\"\n")).unwrap();
    assert!(site.run(&["check", &config]).unwrap().ends_with("ok\n"));
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    let text = site.run(&["check", &config]).unwrap();
    assert!(text.contains("lets others at this private key; run: chmod 600"), "{text}");
    assert!(site.run(&["check", "--no-files", &config]).unwrap().ends_with("ok\n"));
}

#[test]
fn a_site_has_its_own_ca_in_one_command() {
    let site = Site::new("ca", "");
    let ca = site.path("ca");
    let said = site.run(&["ca", "init", &ca, "--name", "Brussels CA", "--server", "bru.example"]).unwrap();
    assert!(said.contains("trust this certificate") && said.contains("issued/server.key"), "{said}");
    assert_eq!(site.run(&["ca", "init", &ca]).unwrap_err().exit_code(), 73, "not overwritten");
    site.run(&["ca", "issue", &ca, "1001"]).unwrap();
    site.run(&["ca", "revoke", &ca, "1001"]).unwrap();
    site.run(&["ca", "crl", &ca]).unwrap();
    let shown = site.json(&["ca", "show", &ca]);
    assert_eq!(shown["ca"]["subject"], "CN=Brussels CA");
    assert_eq!(shown["issued"][0]["name"], "1001");
    assert_eq!(shown["issued"][0]["revoked"], true);
    assert_eq!(shown["issued"][1]["hosts"][0], "bru.example");
    assert_eq!(site.run(&["ca", "issue", &ca, "../evil"]).unwrap_err().exit_code(), 64);
    assert_eq!(site.run(&["ca", "show", "/nonexistent"]).unwrap_err().exit_code(), 66);
}

#[test]
fn without_a_daemon_the_questions_say_so() {
    let site = Site::new("ask", "");
    for words in [["status"], ["calls"], ["registrations"], ["reload"]] {
        let failure = site.run(&words).unwrap_err();
        assert_eq!(failure.exit_code(), 69);
        assert!(failure.to_string().starts_with("the daemon does not run"), "{failure}");
    }
}

#[test]
fn usage_configuration_and_version() {
    let site = Site::new("misc", "[log]\nlevle = \"info\"\n");
    assert_eq!(site.run(&["extension", "add"]).unwrap_err().exit_code(), 64);
    assert_eq!(site.run(&["extension", "list"]).unwrap_err().exit_code(), 78);
    assert_eq!(site.json(&["version"])["name"], "branchline");
}
