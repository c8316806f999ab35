//! What FFmpeg says: its complaints, the same from run to run, apart from what it tells besides.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};

use crate::error::one_line;

/// How many complaints are kept.
const LINES: usize = 3;
/// How many other lines are kept.
const TOLD: usize = 400;
/// How many parts of FFmpeg are kept that complained.
const SOURCES: usize = 32;
/// How many pictures a decoder may hold back to put them in order.
const REORDERED: usize = 16;
/// Readers of containers whose names hold no comma.
const CONTAINERS: [&str; 11] =
    ["avi", "mpegts", "flv", "live_flv", "asf", "mpeg", "ogg", "wav", "nut", "mxf", "rm"];
/// How much of a line is read, in bytes.
const LONGEST_LINE: u64 = 4_096;
/// Begins a line that repeats in other words what another line said, with the file's path.
const REPEATED: &str = "Error opening input file";
/// The levels of lines that are complaints, where FFmpeg names the level of each.
const BAD: [&str; 3] = ["[error] ", "[fatal] ", "[panic] "];
/// A warning by which FFmpeg tells that a decoder made up what it could not read: all that it says of a damaged picture
/// whose bits still make sense.
const CONCEALED: &str = "corrupt decoded frame";
/// The levels of the others.
const FINE: [&str; 5] = ["[warning] ", "[info] ", "[verbose] ", "[debug] ", "[trace] "];

/// What FFmpeg said from its start to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// What it complained of, in one line; empty for nothing.
    pub complaints: String,
    /// Which of its parts complained, such as `h264` or `in#0/matroska,webm`.
    pub sources: BTreeSet<String>,
    /// How many lines those of its parts that decode complained in.
    pub decoder_lines: usize,
    /// Between which presentation times, in seconds, a decoder of pictures complained, where FFmpeg was
    /// asked to tell the times of what it decodes, by `-debug_ts`.
    pub places: Vec<[f64; 2]>,
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
    let (mut lines, mut told, mut sources) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    let (mut places, mut decoder_lines) = (Places::default(), 0);
    let mut errors = BufReader::new(errors);
    let (mut line, mut cut) = (Vec::new(), false);
    while errors.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0)
    {
        // The rest of a line that is too long has no level of its own.
        if std::mem::replace(&mut cut, !line.ends_with(b"\n")) {
            line.clear();
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        match leveled(text.trim_end()) {
            (true, text) => {
                let text = plain(&text);
                let source = source(&text);
                // Where a line of another thread stands among those of the decoder differs from run to run.
                if is_of_decoder(source) {
                    places.complain();
                    decoder_lines += 1;
                }
                if sources.len() < SOURCES {
                    sources.insert(source.to_owned());
                }
                if !text.is_empty() && !text.starts_with(REPEATED) {
                    lines.insert(text);
                }
                if lines.len() > LINES {
                    lines.pop_last();
                }
            }
            (false, text) => {
                if let Some((time, is_key)) = decoded(&text) {
                    places.decode(time, is_key);
                } else if told.len() < TOLD && !goes_on(&text) {
                    told.push(text);
                }
            }
        }
        line.clear();
    }
    let complaints = Vec::from_iter(lines).join("; ");
    Said { complaints, sources, decoder_lines, places: places.end(), told }
}

/// The part of FFmpeg that begins a line: `h264` of `[h264] bad`.
fn source(line: &str) -> &str {
    let bracket = line.strip_prefix('[').and_then(|line| line.split_once(']'));
    bracket.map_or("", |(source, _)| source)
}

/// Whether a part of FFmpeg that complains reads containers: what is lost then shows as a gap in time.
pub fn is_of_container(source: &str) -> bool {
    source.starts_with("in#") || source.contains(',') || CONTAINERS.contains(&source)
}

/// Whether a part of FFmpeg that complains, and says which it is, decodes.
pub fn is_of_decoder(source: &str) -> bool {
    !source.is_empty() && !is_of_container(source)
}

/// The presentation time of the picture that a decoder tells of, and whether it needs no other one.
fn decoded(line: &str) -> Option<(f64, bool)> {
    let (_, facts) = line.split_once("decoder -> ")?;
    let (_, time) = facts.split_once("pts_time:")?;
    let time = time.split_whitespace().next()?.parse().ok()?;
    Some((time, facts.contains("keyframe:1")))
}

/// Where complaints lie among the decoded pictures.
#[derive(Debug, Default)]
struct Places {
    last: Option<f64>,
    /// Where the damage begins that is not mended yet, and how many pictures came since the last complaint.
    open: Option<(f64, usize)>,
    places: Vec<[f64; 2]>,
}

impl Places {
    fn complain(&mut self) {
        let start = self.open.map_or(self.last.unwrap_or(f64::NEG_INFINITY), |(start, _)| start);
        self.open = Some((start, 0));
    }

    fn decode(&mut self, time: f64, is_key: bool) {
        self.last = Some(time);
        if let Some((start, pictures)) = self.open {
            // What is shown now may have been decoded before the complaint.
            if is_key && pictures >= REORDERED {
                self.places.push([start, time]);
                self.open = None;
            } else {
                self.open = Some((start, pictures + 1));
            }
        }
    }

    fn end(mut self) -> Vec<[f64; 2]> {
        self.places.extend(self.open.map(|(start, _)| [start, f64::INFINITY]));
        self.places
    }
}

/// Whether the line is a complaint, and the line without its level: `[h264 @ 0x1] [error] bad`, `[info] x`.
fn leveled(line: &str) -> (bool, String) {
    // Whatever it says is the file's author's.
    if goes_on(line) {
        return (false, line.to_owned());
    }
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
        (None, Some(fine)) => {
            let concealed = line[fine.0 + fine.1..].trim_end() == CONCEALED;
            (concealed, without(fine))
        }
        (None, None) => (true, line.to_owned()),
    }
}

/// Whether the line goes on with a tag's value that holds line breaks; FFmpeg gives it no level.
fn goes_on(line: &str) -> bool {
    line.starts_with(' ') && line.trim_start().starts_with(':')
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
    fn damage_lasts_from_the_picture_before_a_complaint_to_the_next_whole_one() {
        let shown = |n: usize| {
            let key = u8::from(n.is_multiple_of(25));
            format!(
                "[vist#0:0/h264 @ 0x5] [dec:h264 @ 0x6] [info] decoder -> pts:{n} pts_time:{} \
                 pkt_dts:{n} keyframe:{key} frame_type:1\n",
                n as f64 / 10.0
            )
        };
        let bad = "[h264 @ 0x7] [error] no frame!\n".to_owned();
        let lost = "[in#0/matroska,webm @ 0x8] [error] Element exceeds\n".to_owned();
        let text: String = (0..200)
            .flat_map(|n| match n {
                0 | 90 | 92 | 195 => [bad.clone(), shown(n)],
                140 => [lost.clone(), shown(n)],
                _ => [shown(n), String::new()],
            })
            .collect();
        let said = said(text.as_bytes());
        let end = f64::INFINITY;
        assert_eq!(said.places, [[f64::NEG_INFINITY, 2.5], [8.9, 12.5], [19.4, end]]);
        assert_eq!(Vec::from_iter(said.sources), ["h264", "in#0/matroska,webm"]);
        assert!(said.told.is_empty());
    }

    #[test]
    fn complaints_stand_apart_from_what_is_told() {
        let text = "[info] Input #0, avi\n[h264 @ 0x5] [error] no frame\n[info]   Stream #0:0\n\
                    sh: not found\n[info]     title: [error] me\n";
        let said = said(text.as_bytes());
        assert_eq!(said.complaints, "[h264] no frame; sh: not found");
        assert_eq!(said.told, ["Input #0, avi", "  Stream #0:0", "    title: [error] me"]);
    }

    #[test]
    fn what_a_decoder_made_up_is_a_complaint() {
        let text = "[vist#0:0/h264 @ 0x5] [dec:h264 @ 0x6] [warning] corrupt decoded frame\n\
                    [h264 @ 0x5] [warning] Increasing reorder buffer to 1\n\
                    [info]     title           : [warning] corrupt decoded frame\n";
        let said = said(text.as_bytes());
        assert_eq!(said.complaints, "[vist#0:0/h264] [dec:h264] corrupt decoded frame");
        assert_eq!(Vec::from_iter(said.sources), ["vist#0:0/h264"]);
        assert_eq!(said.told.len(), 2);
    }

    #[test]
    fn a_tag_of_several_lines_is_no_complaint() {
        let text = "[info]     comment         : first\n                    : second\n                    :\n\
                    \u{20}                   : [error] Too many open files\n[info]   Duration: 1\n";
        let expected = ["    comment         : first", "  Duration: 1"].map(str::to_owned).into();
        assert_eq!(said(text.as_bytes()), Said { told: expected, ..Said::default() });
    }
}
