//! What is wrong with a file, and where.

use super::*;

#[test]
fn errors_tell_place_and_expectation() {
    const HEADER: &str = "twinloop-replay 1\n";
    const FIELDS: &str = "twinloop-replay 1\nscenario kv\nseed 1\nverdict failed: a: b\n";
    let cases: &[(&str, &str, &str)] = &[
        ("", "", "1:1: expected `twinloop-replay 1` as the first line, found the end of the line"),
        (
            "# only a story\n",
            "",
            "2:1: expected `twinloop-replay 1` as the first line, found the end of the line",
        ),
        ("", "seed 1", "1:1: expected `twinloop-replay 1` as the first line, found \"seed 1\""),
        ("", "twinloop-replay", "1:16: expected a version, found the end of the line"),
        ("", "\n  twinloop-replay 2", "2:19: version \"2\" is unknown; this program reads version 1"),
        ("", "twinloop-replay 1 x", "1:17: version \"1 x\" is unknown; this program reads version 1"),
        (
            HEADER,
            "sede 1",
            "2:1: no field is called \"sede\"; there are scenario, seed, config, isolation, strict, verdict, hash, callbacks and pick",
        ),
        (HEADER, "scenario ", "2:10: expected the name of a scenario, found the end of the line"),
        (HEADER, "seed -1", "2:6: expected a seed (a number from 0 to 2^64-1), found \"-1\""),
        (
            HEADER,
            "seed 18446744073709551616",
            "2:6: expected a seed (a number from 0 to 2^64-1), found \"18446744073709551616\"",
        ),
        (HEADER, "seed 1\n seed 1", "3:2: seed is given a second time"),
        (HEADER, "hash 12", "2:6: expected a hash of 32 hexadecimal digits, found \"12\""),
        (
            HEADER,
            "hash +0000000000000000000000000000000",
            "2:6: expected a hash of 32 hexadecimal digits, found \"+0000000000000000000000000000000\"",
        ),
        (HEADER, "pick loss #0 = 1", "2:6: expected a site in quotation marks, found \"loss #0 = 1\""),
        (
            HEADER,
            "pick \"loss #0 = 1",
            "2:18: expected the closing quotation mark of the site, found the end of the line",
        ),
        (
            HEADER,
            r#"pick "ü\x" #0 = 1"#,
            r#"2:8: expected an escape: \" \\ \n \r \t \0 or \u{...}, found "\\x\" #0 = 1""#,
        ),
        (
            HEADER,
            r#"pick "\u{d800}" #0 = 1"#,
            r#"2:7: expected an escape: \" \\ \n \r \t \0 or \u{...}, found "\\u{d800}\" #0 = 1""#,
        ),
        (HEADER, "pick \"loss\" 0 = 1", "2:13: expected `#` and the number of a draw, found \"0 = 1\""),
        (
            HEADER,
            "pick \"loss\" # = 1",
            "2:15: expected the number of a draw (from 0 to 2^32-1), found \"= 1\"",
        ),
        (
            HEADER,
            "pick \"loss\" #4294967296 = 1",
            "2:14: expected the number of a draw (from 0 to 2^32-1), found \"4294967296 = 1\"",
        ),
        (HEADER, "pick \"loss\" #0 1", "2:16: expected `=`, found \"1\""),
        (
            HEADER,
            "pick \"loss\" #0 =",
            "2:17: expected a value (from 1 to 2^32-1), found the end of the line",
        ),
        (
            HEADER,
            "pick \"loss\" #0 = 0",
            "2:18: expected a value of at least 1: a draw that is not listed is 0",
        ),
        (HEADER, "pick \"loss\" #0 = 1 2", "2:20: expected the end of the line, found \"2\""),
        (
            HEADER,
            "pick \"loss\" #0 = 1\n#\npick \"loss\" #0 = 2",
            "4:6: this draw has its value on line 2 already",
        ),
        (HEADER, "config", "2:7: expected what is configured, found the end of the line"),
        (HEADER, "config latency 40", "2:16: expected `=`, found \"40\""),
        (HEADER, "config latency =", "2:17: expected a value, found the end of the line"),
        (HEADER, "config a = 1\nconfig a = 2", "3:8: config a is given a second time"),
        (
            HEADER,
            "isolation jail",
            "2:11: expected a level of isolation: same-thread, fresh-thread, fork or process, found \"jail\"",
        ),
        (HEADER, "strict very", "2:8: expected yes or no, found \"very\""),
        (HEADER, "callbacks many", "2:11: expected a number of callbacks, found \"many\""),
        (HEADER, "seed 1\n", "3:1: the file ends without a line for scenario"),
        (FIELDS, "", "5:1: the file ends without a line for hash"),
    ];
    for (before, line, expected) in cases {
        let text = format!("{before}{line}");
        let error = text.parse::<ReplayFile>().expect_err(&text);
        assert_eq!(error.to_string(), *expected, "for {text:?}");
    }
}
