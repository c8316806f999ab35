//! Rust source with comments and literals blanked, so that a rule about code reads code only.

/// `text` with every character of comments, strings and character literals made a space.
///
/// Lines keep their numbers and characters their places.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = at + literal_length(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// How many characters the comment or literal has that starts at `at`; 0 where none starts.
fn literal_length(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let previous = at.checked_sub(1).map(|before| chars[before]);
    match rest {
        ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['r', '"' | '#', ..] if !previous.is_some_and(is_word_part) => raw_string(rest),
        ['b' | 'c', 'r', '"' | '#', ..] if !previous.is_some_and(is_word_part) => {
            match raw_string(&rest[1..]) {
                0 => 0,
                length => length + 1,
            }
        }
        // A lifetime has no closing quote.
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// From the `r` to the closing quote and its hashes; 0 for a raw identifier.
fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let mut closing = vec!['"'];
    closing.extend(std::iter::repeat_n('#', hashes));
    let start = hashes + 2;
    let found = rest[start..].windows(closing.len()).position(|window| window == closing);
    found.map_or(rest.len(), |position| start + position + closing.len())
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `word` stands in `text` with no letter, digit or underscore beside it.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let starts = !before.is_some_and(is_word_part);
        let ends = !after.is_some_and(is_word_part) || !word.ends_with(is_word_part);
        starts && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_kept() {
        let text = "let a = \"x\\\"y\"; // z\n/* a /* b */ c */ let b = 'q';\n";
        let code = code_only(text);
        assert_eq!(code.lines().count(), 2);
        for gone in ['x', 'y', 'z', 'c', 'q'] {
            assert!(!code.contains(gone), "{gone}: {code}");
        }
        assert_eq!(code.chars().count(), text.chars().count());
    }

    #[test]
    fn raw_strings_and_lifetimes_are_told_apart() {
        let code =
            code_only("fn f<'a>(x: &'a str) { r#\"in \" it\"#; br\"q\"; r#type; for_r(\"w\") }");
        assert!(code.contains("fn f<'a>(x: &'a str)") && code.contains("r#type"), "{code}");
        assert!(!code.contains("it") && !code.contains('q') && !code.contains('w'), "{code}");
    }

    #[test]
    fn a_word_is_not_part_of_another() {
        assert!(has_word("x dbg!(y)", "dbg!"));
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("my_dbg!(y)", "dbg!"));
    }
}
