//! A folder of replay files. It knows which files are whose, and not what is in them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::replay_file::file_prefix;

/// The name of the file that keeps the failure of a seed. What the scenario was told is part of it, so that one
/// setting's file does not take the place of another one's.
pub(crate) fn file_name(scenario: &str, configuration: &BTreeMap<String, String>, seed: u64) -> String {
    let plain = |text: &str| text.replace(|c: char| !c.is_alphanumeric() && !"._".contains(c), "_");
    let settings = configuration.iter().map(|(key, value)| format!("{}={}-", plain(key), plain(value)));
    format!("{}{}{seed}.replay", file_prefix(scenario), settings.collect::<String>())
}

/// The replay files of `scenario` in `folder`, by name, whatever its settings. There need be no folder: whoever wants
/// to write there will be told.
pub(crate) fn kept(folder: &Path, scenario: &str) -> Result<Vec<PathBuf>, String> {
    let prefix = file_prefix(scenario);
    let is_its = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let rest = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".replay"));
        rest.is_some_and(|rest| {
            let (settings, seed) = rest.rsplit_once('-').unwrap_or(("a=", rest));
            seed.parse::<u64>().is_ok() && settings.split('-').all(|setting| setting.contains('='))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_part_of_a_name_and_files_of_all_settings_are_found() {
        let settings = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        let names = [
            file_name("shop::late", &settings(&[]), 7),
            file_name("shop::late", &settings(&[("clients", "3"), ("path", "a/b-c")]), 8),
        ];
        assert_eq!(names, ["shop.late-7.replay", "shop.late-clients=3-path=a_b_c-8.replay"]);

        let folder = std::env::temp_dir().join(format!("twinloop-replays-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let others = ["shop.late-er-7.replay", "shop.late-x.replay", "shop.later-7.replay"];
        for name in names.iter().map(String::as_str).chain(others) {
            fs::write(folder.join(name), "").expect("a file");
        }
        let found = kept(&folder, "shop::late").expect("a folder");
        fs::remove_dir_all(&folder).expect("it is ours");
        assert_eq!(found, names.map(|name| folder.join(name)));
    }
}
