//! Turns a parser's complaint about a key into one line that names the nearest known key.

/// Explains `message`, said of the key at `path`.
pub(crate) fn explain(path: &str, message: &str) -> anyhow::Error {
    let message = message.trim().lines().next().unwrap_or_default();
    let Some(unknown) = quoted(message).next().filter(|_| message.starts_with("unknown")) else {
        return match path {
            "." | "" => anyhow::anyhow!("{message}"),
            _ => anyhow::anyhow!("{path}: {message}"),
        };
    };
    let known: Vec<&str> = quoted(message).skip(1).collect();
    let section = path.strip_suffix(unknown).unwrap_or(path).trim_end_matches('.');
    let place = match section {
        "" => "the recipe".to_owned(),
        section => format!("`{section}`"),
    };
    let what = if message.starts_with("unknown variant") { "value" } else { "key" };
    let nearest = known.iter().max_by(|a, b| {
        let closeness = |name: &str| strsim::jaro_winkler(unknown, name);
        closeness(a).total_cmp(&closeness(b))
    });
    match nearest {
        Some(nearest) => anyhow::anyhow!(
            "{place} has no {what} `{unknown}`, did you mean `{nearest}`? (known: {})",
            known.join(", ")
        ),
        None => anyhow::anyhow!("{place} has no {what} `{unknown}`"),
    }
}

/// The words between back-quotes.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_come_with_the_nearest() {
        let message = "unknown field `lrr`, expected one of `lr`, `start_lr`, `eps`";
        assert_eq!(
            explain("optimizer.lrr", message).to_string(),
            "`optimizer` has no key `lrr`, did you mean `lr`? (known: lr, start_lr, eps)"
        );
        assert_eq!(
            explain("sed", "unknown field `sed`, expected `seed` or `name`").to_string(),
            "the recipe has no key `sed`, did you mean `seed`? (known: seed, name)"
        );
    }

    #[test]
    fn other_complaints_name_their_key() {
        assert_eq!(
            explain("run.batch", "invalid type: string \"x\", expected usize").to_string(),
            "run.batch: invalid type: string \"x\", expected usize"
        );
    }
}
