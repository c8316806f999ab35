//! What FFmpeg says: its complaints, the same from run to run, apart from what it tells besides.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};

use crate::one_line;

/// How many complaints are kept.
const LINES: usize = 3;
/// How many other lines are kept.
const TOLD: usize = 400;
/// The longest line, in bytes; a longer one is taken for several.
const LONGEST_LINE: u64 = 4_096;
/// Begins a line that repeats in other words what another line said, with the file's path.
const REPEATED: &str = "Error opening input file";
/// The levels of lines that are complaints, where FFmpeg names the level of each.
const BAD: [&str; 3] = ["[error] ", "[fatal] ", "[panic] "];
/// The levels of the others.
const FINE: [&str; 5] = ["[warning] ", "[info] ", "[verbose] ", "[debug] ", "[trace] "];

/// What FFmpeg said from its start to its end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Said {
    /// What it complained of, in one line; empty for nothing.
    pub complaints: String,
    /// The first lines of what else it told, in their order, where it was asked to.
    pub told: Vec<String>,
}

/// Reads `errors` to its end; what it complains of, in one line.
pub fn one_complaint(errors: impl Read) -> String {
    said(errors).complaints
}

/// Reads `errors` to its end.
///
/// FFmpeg's own threads speak at once and in any order, yet reports are to be equal: so the complaints
/// are sorted, each is taken once, and the first few stand for all.
pub(super) fn said(errors: impl Read) -> Said {
    let (mut lines, mut told) = (BTreeSet::new(), Vec::new());
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    while errors.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&line);
        match leveled(text.trim_end()) {
            (true, text) => {
                let text = plain(&text);
                if !text.is_empty() && !text.starts_with(REPEATED) {
                    lines.insert(text);
                }
                if lines.len() > LINES {
                    lines.pop_last();
                }
            }
            (false, text) if told.len() < TOLD => told.push(text),
            _ => {}
        }
        line.clear();
    }
    Said { complaints: Vec::from_iter(lines).join("; "), told }
}

/// Whether the line is a complaint, and the line without its level: `[h264 @ 0x1] [error] bad`, `[info] x`.
fn leveled(line: &str) -> (bool, String) {
    let place = |levels: &[&str]| {
        let at = levels.iter().filter_map(|level| Some((line.find(level)?, level.len())));
        at.min()
    };
    let without =
        |(start, length): (usize, usize)| line[..start].to_owned() + &line[start + length..];
    // The level stands before all that a file could have put into a line.
    match (place(&BAD), place(&FINE)) {
        (Some(bad), Some(fine)) if fine < bad => (false, without(fine)),
        (Some(bad), _) => (true, without(bad)),
        (None, Some(fine)) => (false, without(fine)),
        (None, None) => (true, line.to_owned()),
    }
}

/// The line without addresses: `[h264 @ 0x55d]` becomes `[h264]`; they change from run to run.
fn plain(text: &str) -> String {
    let mut line = one_line(text);
    while let Some(start) = line.find(" @ 0x") {
        let digits = line[start + 5..].find(|c: char| !c.is_ascii_hexdigit());
        let end = digits.map_or(line.len(), |digits| start + 5 + digits);
        line.replace_range(start..end, "");
    }
    line.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_out_of_messages() {
        assert_eq!(plain("[h264 @ 0x55ca6f] bad [aac @ 0x1] worse\n"), "[h264] bad [aac] worse");
        assert_eq!(plain("end @ 0x12"), "end");
    }

    #[test]
    fn complaints_stand_apart_from_what_is_told() {
        let text = "[info] Input #0, avi\n[h264 @ 0x5] [error] no frame\n[info]   Stream #0:0\n\
                    sh: not found\n[info]     title: [error] me\n";
        let said = said(text.as_bytes());
        assert_eq!(said.complaints, "[h264] no frame; sh: not found");
        assert_eq!(said.told, ["Input #0, avi", "  Stream #0:0", "    title: [error] me"]);
    }
}
