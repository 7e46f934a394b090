//! Files replaced so that a power cut leaves the old one or the new one, never half of either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes `bytes` to `path`: a temporary file beside it, fsync, rename, fsync of the directory. A new file
/// gets `mode`; a replaced one keeps its own mode. Root leaves the file to the directory's owner.
pub fn replace_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().ok_or_else(|| io::Error::other("a path without a directory"))?;
    let mut name = path.file_name().ok_or_else(|| io::Error::other("a path without a name"))?.to_owned();
    name.push(".new");
    let temporary = directory.join(name);
    let mode = fs::metadata(path).map_or(mode, |about| about.mode() & 0o777);
    let written = write_new(&temporary, bytes, mode, directory).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(directory)?.sync_all()
}

fn write_new(temporary: &Path, bytes: &[u8], mode: u32, directory: &Path) -> io::Result<()> {
    let _ = fs::remove_file(temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    own_like(temporary, directory)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives `path` to the owner of `directory`, where we are root and they differ: the command line, run by
/// root, must not leave files that the daemon cannot read.
pub(crate) fn own_like(path: &Path, directory: &Path) -> io::Result<()> {
    let (own, wanted) = (fs::metadata(path)?, fs::metadata(directory)?);
    if nix::unistd::geteuid().is_root() && own.uid() != wanted.uid() {
        std::os::unix::fs::chown(path, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let directory = std::env::temp_dir().join(format!("branchline-durable-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("key");
        replace_file(&path, b"one", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace_file(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no temporary file stays");
        fs::remove_dir_all(&directory).unwrap();
        assert!(replace_file(&path, b"three", 0o600).is_err());
    }
}
