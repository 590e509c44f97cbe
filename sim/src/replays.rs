//! A folder of replay files. It knows which files are whose, and not what is in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::replay_file::file_prefix;

/// The replay files of `scenario` in `folder`, by name. There need be no folder: whoever
/// wants to write there will be told.
pub(crate) fn kept(folder: &Path, scenario: &str) -> Result<Vec<PathBuf>, String> {
    let prefix = file_prefix(scenario);
    let is_its = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let seed = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".replay"));
        seed.is_some_and(|seed| seed.parse::<u64>().is_ok())
    };
    let failed = |error: io::Error| format!("cannot list the replays in {}: {error}", folder.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let paths: Result<Vec<PathBuf>, io::Error> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| is_its(path));
    paths.sort();
    Ok(paths)
}
