//! Rust source as words and signs, so that a rule about code reads neither comments nor literals.

use proc_macro2::{TokenStream, TokenTree};

/// An identifier, a keyword or a sign.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// The tokens of `text` in their order, without literals; none where it is no Rust, which the compiler tells better.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    if let Ok(stream) = text.parse() {
        flatten(stream, &mut found);
    }
    found
}

fn flatten(stream: TokenStream, found: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                // What is delimited is told from what stands beside it.
                found.push(Token { text: format!("{:?}", group.delimiter()), line });
                flatten(group.stream(), found);
            }
            TokenTree::Literal(_) => {}
            word => found.push(Token { text: word.to_string(), line }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_passed_over_and_lines_counted() {
        let text =
            "// a\n/* b /* c */ */ fn d<'e>(f: &'e str) {\n\"g\"; 'h'; r#\"i\"#; todo!() }\n";
        let all = tokens(text);
        let words: Vec<&str> = all.iter().map(|token| token.text.as_str()).collect();
        for gone in ["a", "b", "c", "g", "h", "i"] {
            assert!(!words.contains(&gone), "{gone}: {words:?}");
        }
        let todo = all.iter().position(|token| token.text == "todo").unwrap();
        assert_eq!((all[todo].line, words[todo + 1]), (3, "!"));
        assert!(tokens("not ( rust").is_empty());
    }
}
