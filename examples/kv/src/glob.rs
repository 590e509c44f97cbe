//! The patterns of KEYS and CONFIG GET: `*`, `?`, `[abc]`, `[^a]`, `[a-z]` and `\` before what is meant literally.

/// Whether the whole of `text` matches `pattern`, as Redis's `stringmatchlen` decides it.
///
/// At most pattern length times text length comparisons, whatever the pattern: if the text behind a `*` does not fit,
/// only the last `*` needs to take one byte more, since an earlier one could only leave a shorter text to the same
/// patterns. (Redis recurses at each `*`. It also denies that `**` matches an empty text, which we do not follow.)
///
/// ```
/// use kv::glob::matches;
///
/// assert!(matches(b"user:[0-9]*", b"user:42"));
/// assert!(!matches(b"user:[^0-9]*", b"user:42"));
/// ```
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // What follows the last `*`, and the text that it was tried against.
    let mut last_star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', behind @ ..] = pattern {
            last_star = Some((behind, text));
            pattern = behind;
            continue;
        }
        if pattern.is_empty() && text.is_empty() {
            return true;
        }
        let step = text.split_first().and_then(|(&byte, rest)| Some((match_one(pattern, byte)?, rest)));
        if let Some(next) = step {
            (pattern, text) = next;
            continue;
        }
        let Some((behind, [_, rest @ ..])) = last_star else { return false };
        last_star = Some((behind, rest));
        (pattern, text) = (behind, rest);
    }
}

/// What follows the first element of `pattern`, if that matches `byte`.
fn match_one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (fits, behind) = match pattern {
        [] => return None,
        [b'?', behind @ ..] => (true, behind),
        [b'[', b'^', class @ ..] => {
            let (contains, behind) = match_class(class, byte);
            (!contains, behind)
        }
        [b'[', class @ ..] => match_class(class, byte),
        [b'\\', escaped, behind @ ..] => (*escaped == byte, behind),
        [literal, behind @ ..] => (*literal == byte, behind),
    };
    fits.then_some(behind)
}

/// Whether `byte` is in the class, and what follows its `]`. A class that is not closed ends with the pattern.
fn match_class(mut class: &[u8], byte: u8) -> (bool, &[u8]) {
    let mut contains = false;
    loop {
        let (fits, rest) = match class {
            [] => return (contains, class),
            [b'\\', escaped, rest @ ..] => (*escaped == byte, rest),
            [b']', rest @ ..] => return (contains, rest),
            [one, b'-', other, rest @ ..] => ((*one.min(other)..=*one.max(other)).contains(&byte), rest),
            [literal, rest @ ..] => (*literal == byte, rest),
        };
        contains |= fits;
        class = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each answer was compared with Redis 7.0.15.
    #[test]
    fn patterns_match_as_in_redis() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("?", "", false),
            ("h?llo", "hello", true),
            ("[abc]", "b", true),
            ("[abc]", "d", false),
            ("[^abc]", "d", true),
            ("[^abc]", "a", false),
            ("[c-a]", "b", true),
            ("[]", "a", false),
            ("[]]", "]", false),
            ("[^]", "a", true),
            ("[a", "a", true),
            ("[a-]", "-", false),
            ("[a-]", "^", true),
            (r"[\]]", "]", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("\\", "\\", true),
            ("*[0-9]?*", "ab12", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern:?} against {text:?}"
            );
        }
    }

    #[test]
    fn many_stars_are_no_trap() {
        let text = b"a".repeat(5_000);
        let pattern = [b"a*".repeat(200), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &text));
        assert!(matches(&b"a*".repeat(200), &text));
    }
}
