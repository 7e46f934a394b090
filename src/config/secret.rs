//! Private keys: read with care.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Longest key or certificate file, in bytes.
const LONGEST: u64 = 1 << 20;
/// Permission bits that a key file must not have: anything for others, writing and running for the group.
/// The group may read, because systemd hands credentials over by an access list that shows there.
const FORBIDDEN: u32 = 0o037;

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It could not be opened or read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Others may read it, or the group may write it.
    #[error("{}: mode {mode:04o} lets others at this private key; run: chmod 600 {}", file.display(), file.display())]
    Exposed {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not a file, or too long.
    #[error("{}: expected a file of at most 1 MiB", file.display())]
    NotAFile {
        /// The file.
        file: PathBuf,
    },
}

/// Reads a private key. Refuses one that anyone but the daemon could read.
pub fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let (mut file, mode) = open(path)?;
    if mode & FORBIDDEN != 0 {
        return Err(SecretError::Exposed { file: path.to_owned(), mode });
    }
    read(path, &mut file).map(Zeroizing::new)
}

/// Reads a certificate or a revocation list, which are no secrets.
pub fn read_public(path: &Path) -> Result<Vec<u8>, SecretError> {
    let (mut file, _) = open(path)?;
    read(path, &mut file)
}

fn open(path: &Path) -> Result<(File, u32), SecretError> {
    let unreadable = |error| SecretError::Unreadable { file: path.to_owned(), error };
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(SecretError::NotAFile { file: path.to_owned() });
    }
    Ok((file, about.mode() & 0o7777))
}

fn read(path: &Path, file: &mut File) -> Result<Vec<u8>, SecretError> {
    let mut bytes = Vec::new();
    let read = file.take(LONGEST).read_to_end(&mut bytes);
    read.map_err(|error| SecretError::Unreadable { file: path.to_owned(), error })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let directory = std::env::temp_dir().join(format!("branchline-secret-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("tls.key");
        fs::write(&file, "key").unwrap();
        for (mode, allowed) in
            [(0o600, true), (0o400, true), (0o440, true), (0o644, false), (0o660, false), (0o604, false)]
        {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_key(&file).is_ok(), allowed, "{mode:o}");
        }
        let message = read_key(&file).unwrap_err().to_string();
        assert!(message.contains("mode 0604") && message.contains("chmod 600"), "{message}");
        assert!(read_public(&file).is_ok());
        assert!(matches!(read_key(&directory), Err(SecretError::NotAFile { .. })));
        fs::remove_dir_all(directory).unwrap();
    }
}
