//! Lines as requests, and what is said of those that are none.

use super::*;

fn parse_line(line: &str) -> Result<Request, String> {
    parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
}

#[test]
fn explore_has_defaults() {
    let (scenario, options) = (None, ExploreOptions::default());
    assert_eq!(options.seeds, 0..1000);
    assert_eq!(parse_line("explore"), Ok(Request::Explore { scenario, options }));
}

#[test]
fn explore_takes_every_option_in_any_order() {
    let line = "explore --jobs=3 --check kv --all --seeds 5..18446744073709551615 --replays a/b --budget 7 --any-failure \
         --time 1.5 --shard 2/3 --out c --json --isolation process --strict --reached";
    let options = ExploreOptions {
        seeds: 5..u64::MAX,
        jobs: NonZeroUsize::new(3).expect("3 is not 0"),
        check: true,
        all: true,
        replays: PathBuf::from("a/b"),
        limits: Limits { runs: 7, any_failure: true },
        time: Some(Duration::from_millis(1500)),
        shard: Some("2/3".parse().expect("a shard")),
        out: Some(PathBuf::from("c")),
        json: true,
        isolation: Some(Isolation::Process),
        strict: true,
        reached: true,
    };
    assert_eq!(parse_line(line), Ok(Request::Explore { scenario: Some("kv".to_owned()), options }));
}

#[test]
fn a_word_of_digits_is_a_seed_and_any_other_a_file() {
    let target = |line| match parse_line(line) {
        Ok(Request::Replay { target, scenario: None, isolation: None, strict: false }) => target,
        other => panic!("{other:?}"),
    };
    assert_eq!(target("replay 42"), Target::Seed(42));
    assert_eq!(target("replay 42.replay"), Target::File(PathBuf::from("42.replay")));
    assert_eq!(target("replay ./42"), Target::File(PathBuf::from("./42")));
}

#[test]
fn show_tells_events_or_everything() {
    let scenario = Some("kv".to_owned());
    let options = |telling| ShowOptions { telling, part: None, exports: Vec::new() };
    let target = Target::Seed(1);
    let request = Request::Show { target, scenario, options: options(Telling::Everything) };
    assert_eq!(parse_line("show 1 --everything kv"), Ok(request));
    let target = Target::Seed(1);
    let request = Request::Show { target, scenario: None, options: options(Telling::Events) };
    assert_eq!(parse_line("show 1"), Ok(request));
}

#[test]
fn search_takes_a_way_and_its_bounds() {
    let request = |way, scenario: Option<&str>, options| {
        Ok(Request::Search { way, scenario: scenario.map(str::to_owned), options })
    };
    assert_eq!(parse_line("search guided"), request(Way::Guided, None, SearchOptions::default()));
    let line = "search exhaustive kv --runs 9 --seed 8 --jobs 3 --picks 7 --values 6 --changes 5 --replays r --budget 4 --time 1.5 --json";
    let replays = PathBuf::from("r");
    let limits = Limits { runs: 4, ..LIMITS };
    let jobs = NonZeroUsize::new(3).expect("3 is not 0");
    let (time, json) = (Some(Duration::from_millis(1500)), true);
    let options = SearchOptions {
        runs: 9,
        seed: 8,
        jobs,
        picks: 7,
        values: 6,
        changes: 5,
        time,
        replays,
        limits,
        json,
    };
    assert_eq!(parse_line(line), request(Way::Exhaustive, Some("kv"), options));
}

#[test]
fn shrink_takes_a_file_and_limits() {
    let request = |path: &str, limits| Ok(Request::Shrink { path: PathBuf::from(path), limits });
    assert_eq!(parse_line("shrink a.replay"), request("a.replay", LIMITS));
    let limits = Limits { runs: 9, any_failure: true };
    assert_eq!(parse_line("shrink --any-failure 7 --budget=9"), request("7", limits));
}

#[test]
fn show_tells_a_part_and_writes_files() {
    let line = "show --connection a:1-b 5 --export perfetto t.json --export mermaid t.mmd";
    let exports = vec![(Export::Perfetto, "t.json".into()), (Export::Mermaid, "t.mmd".into())];
    let part = Some(Part::Connection("a:1-b".to_owned()));
    let options = ShowOptions { telling: Telling::Events, part, exports };
    assert_eq!(parse_line(line), Ok(Request::Show { target: Target::Seed(5), scenario: None, options }));
}

#[test]
fn what_the_program_answers_is_passed_on_unread() {
    let args = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(parse_line("real kv --help -x"), Ok(Request::Real { args: args(&["kv", "--help", "-x"]) }));
    let other = Request::Other { command: "serve".to_owned(), args: args(&["--port", "1"]) };
    assert_eq!(parse_line("serve --port 1"), Ok(other));
}

#[test]
fn help_is_found_everywhere() {
    for line in ["help", "help explore", "--help", "-h", "explore --help", "replay -h", "show -h", "list -h"]
    {
        assert_eq!(parse_line(line), Ok(Request::Help), "{line}");
    }
    assert_eq!(parse_line("--version"), Ok(Request::Version));
}

#[test]
fn errors_say_what_was_wrong() {
    let form = "seeds are given as A..B, for example 0..1000, where B is excluded";
    let cases = [
        ("", "a command is missing".to_owned()),
        ("--seeds 1..2", "invalid option '--seeds'".to_owned()),
        ("explore --seeds", "missing argument for option '--seeds'".to_owned()),
        ("explore --seeds 5", format!("cannot parse argument \"5\": {form}")),
        ("explore --seeds 5..5", format!("cannot parse argument \"5..5\": there is no seed in it ({form})")),
        ("explore --seeds 9..5", format!("cannot parse argument \"9..5\": there is no seed in it ({form})")),
        (
            "explore --seeds ..5",
            format!("cannot parse argument \"..5\": cannot parse integer from empty string ({form})"),
        ),
        (
            "explore --seeds 1..=5",
            format!("cannot parse argument \"1..=5\": invalid digit found in string ({form})"),
        ),
        (
            "explore --jobs 0",
            "cannot parse argument \"0\": number would be zero for non-zero type".to_owned(),
        ),
        ("explore --jobs two", "cannot parse argument \"two\": invalid digit found in string".to_owned()),
        ("explore --sedes 1..2", "invalid option '--sedes'".to_owned()),
        ("explore kv kv2", "unexpected argument \"kv2\"".to_owned()),
        ("replay", "replay needs a FILE or a SEED".to_owned()),
        (
            "replay 99999999999999999999",
            "cannot parse argument \"99999999999999999999\": number too large to fit in target type"
                .to_owned(),
        ),
        ("search", WAYS.to_owned()),
        ("search seeds", format!("cannot parse argument \"seeds\": {WAYS}")),
        ("shrink", "shrink needs the FILE of a failure".to_owned()),
        ("show --everything", "show needs a FILE or a SEED".to_owned()),
        ("list kv", "unexpected argument \"kv\"".to_owned()),
    ];
    for (line, expected) in cases {
        assert_eq!(parse_line(line), Err(expected), "{line}");
    }
}
