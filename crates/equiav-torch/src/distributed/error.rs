//! What went wrong between processes: one line, which names this rank, the collective and who is missing.

/// A collective or a rendezvous that failed.
///
/// ```text
/// rank 0 of 4: all_gather 17 (embeddings): rank 2 is gone or stopped, last seen in all_reduce 16 (loss)
/// ```
///
/// The group is of no use after it: end the process, and the others end as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupError {
    message: String,
    missing: Vec<usize>,
}

impl GroupError {
    /// A failure in these words, one line, and the ranks that did not take part, where known.
    pub fn new(message: impl Into<String>, missing: Vec<usize>) -> Self {
        Self { message: message.into(), missing }
    }

    /// The ranks that did not take part, as far as it could be found out.
    pub fn missing(&self) -> &[usize] {
        &self.missing
    }
}

impl std::fmt::Display for GroupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for GroupError {}

/// The first line of what a library says, without the place in its source it begins with.
pub(super) fn plain(text: &str) -> String {
    let line =
        text.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given").trim();
    let line = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((place, rest)) if place.contains(".cc:") || place.contains(".h:") => rest,
        _ => line,
    };
    line.trim_end_matches('.').to_owned()
}

/// "rank 2", "ranks 1 and 2", "ranks 1, 2 and 5".
pub(super) fn name_ranks(ranks: &[usize]) -> String {
    let names: Vec<String> = ranks.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => "no rank".to_owned(),
        [one] => format!("rank {one}"),
        [most @ .., last] => format!("ranks {} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_quoted_without_its_source() {
        let gloo = "[/somewhere/gloo/transport/tcp/pair.cc:538] Connection closed by peer [10.0.0.1]:3\nmore";
        assert_eq!(plain(gloo), "Connection closed by peer [10.0.0.1]:3");
        assert_eq!(plain("\n[10.0.0.1] says no.\n"), "[10.0.0.1] says no");
        assert_eq!(plain(""), "no reason given");
    }

    #[test]
    fn ranks_are_listed_in_words() {
        assert_eq!(name_ranks(&[2]), "rank 2");
        assert_eq!(name_ranks(&[1, 2]), "ranks 1 and 2");
        assert_eq!(name_ranks(&[1, 2, 5]), "ranks 1, 2 and 5");
    }
}
