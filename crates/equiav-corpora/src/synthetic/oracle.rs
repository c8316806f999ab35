//! The limit of the procedural corpus: how well its pictures and sounds can be matched by plain signal processing.
//!
//! Each file is read by itself, by readers that know nothing of the other one; what was read of a picture is then
//! compared with what was read of a sound. Nothing is learned but how far the readings of one clip lie apart.

pub(super) mod heard;
pub(super) mod seen;
mod spread;

use anyhow::ensure;
use equiav_data::parallel::{for_each, threads};
use equiav_data::{Clip, read_picture, read_sound};

use self::heard::{COURSES, ENVELOPES, Heard};
use self::seen::Seen;
use self::spread::Spread;
use super::scene::{Pattern, Scene, Shape};

/// Octaves of the pitch and of the band's center, and the range of what tells courses and envelopes.
const PITCHES: f64 = 3.0;
const BANDS: f64 = 3.5;
const COURSE: f64 = 8.0;
const ENVELOPE: f64 = 1.0;

/// Matches pictures of the procedural corpus with its sounds, by what is read of the files alone.
///
/// Read of the middle frame: hue, area and height of the object, its outline and pattern, the number of beads. Read of
/// the sound: pitch, band, number of onsets, hue by the strengths of partials, and numbers that tell courses and
/// envelopes apart. The score of a picture and a sound is the logarithm of how much likelier they are in one clip than
/// in two.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// Turns from the hue seen to the hue heard, by pattern.
    hue: Vec<Spread>,
    /// Octaves from what area and height let expect to what is heard, by outline.
    pitch: Vec<Spread>,
    band: Vec<Spread>,
    course: Vec<[Spread; COURSES]>,
    envelope: Vec<[Spread; ENVELOPES]>,
    /// The shares of patterns and outlines, and that of clips whose beads are as many as the onsets.
    patterns: Vec<f64>,
    shapes: Vec<f64>,
    counted: f64,
}

/// What was read of the files of one clip.
type Reading = (Seen, Heard);

impl Oracle {
    /// Learns from `clips` how far readings of one clip lie apart; they should be some hundreds, and not those that
    /// are to be matched. `progress` is told (clips read, clips in all).
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or there is no clip.
    pub fn fit(clips: &[Clip], progress: &mut dyn FnMut(usize, usize)) -> anyhow::Result<Self> {
        ensure!(!clips.is_empty(), "there is no clip to learn from");
        let all = read_all(clips, progress)?;
        let by_pattern = |width, of: &dyn Fn(&Reading) -> f64| {
            spreads(&all, Pattern::ALL.len(), width, |(seen, _)| seen.pattern as usize, of)
        };
        let by_shape = |width, of: &dyn Fn(&Reading) -> f64| {
            spreads(&all, Shape::ALL.len(), width, |(seen, _)| seen.shape as usize, of)
        };
        let share = |kind: &dyn Fn(&Seen) -> bool| {
            all.iter().filter(|(seen, _)| kind(seen)).count() as f64 / all.len() as f64
        };
        let counts = all.iter().filter(|(seen, heard)| seen.count == heard.onsets).count();
        Ok(Self {
            hue: by_pattern(1.0, &|(seen, heard)| turns(heard.hue - seen.hue)),
            pitch: by_shape(PITCHES, &|(seen, heard)| heard.pitch.log2() - seen.log_pitch()),
            band: by_shape(BANDS, &|(seen, heard)| heard.band_center.log2() - seen.log_band()),
            course: transposed(std::array::from_fn(|at| {
                by_pattern(COURSE, &|(_, heard)| heard.course[at])
            })),
            envelope: transposed(std::array::from_fn(|at| {
                by_shape(ENVELOPE, &|(_, heard)| heard.envelope[at])
            })),
            patterns: Pattern::ALL.map(|pattern| share(&|seen| seen.pattern == pattern)).to_vec(),
            shapes: Shape::ALL.map(|shape| share(&|seen| seen.shape == shape)).to_vec(),
            // One more of either kind: no share is 0 or 1.
            counted: (counts as f64 + 1.0) / (all.len() as f64 + 2.0),
        })
    }

    /// How well each picture of `clips` fits each sound of them.
    ///
    /// # Shapes
    ///
    /// - returns: `[clips, clips]`, a row for each picture and in it a score for each sound, in nats
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn scores(
        &self,
        clips: &[Clip],
        progress: &mut dyn FnMut(usize, usize),
    ) -> anyhow::Result<Vec<Vec<f64>>> {
        let all = read_all(clips, progress)?;
        let sounds: Vec<Evidence<'_>> = all.iter().map(|(_, heard)| self.evidence(heard)).collect();
        let row =
            |(seen, _): &Reading| sounds.iter().map(|sound| self.score(seen, sound)).collect();
        Ok(all.iter().map(row).collect())
    }

    /// How much likelier what is `seen` and what is heard are in one clip than in two, in nats.
    fn score(&self, seen: &Seen, sound: &Evidence<'_>) -> f64 {
        let (heard, pattern, shape) = (sound.heard, seen.pattern as usize, seen.shape as usize);
        let count = if seen.count == heard.onsets {
            self.counted
        } else {
            (1.0 - self.counted) / (Scene::MOST_BEADS - 1) as f64
        };
        // Of hue, size and height any is as likely as any other: their density alone counts.
        self.hue[pattern].log_density(turns(heard.hue - seen.hue))
            + self.pitch[shape].log_density(heard.pitch.log2() - seen.log_pitch())
            + self.band[shape].log_density(heard.band_center.log2() - seen.log_band())
            + count.ln()
            + sound.patterns[pattern]
            + sound.shapes[shape]
    }

    fn evidence<'a>(&self, heard: &'a Heard) -> Evidence<'a> {
        Evidence {
            heard,
            patterns: relative(&self.course, &heard.course, &self.patterns),
            shapes: relative(&self.envelope, &heard.envelope, &self.shapes),
        }
    }
}

/// A sound, and how much likelier it is with each pattern and outline than with any, in nats.
struct Evidence<'a> {
    heard: &'a Heard,
    patterns: Vec<f64>,
    shapes: Vec<f64>,
}

/// How much likelier `values` are in each category than in a mixture of all by their `shares`, in nats.
fn relative<const N: usize>(
    spreads: &[[Spread; N]],
    values: &[f64; N],
    shares: &[f64],
) -> Vec<f64> {
    let density = |of: &[Spread; N]| -> f64 {
        of.iter().zip(values).map(|(spread, value)| spread.log_density(*value)).sum()
    };
    let each: Vec<f64> = spreads.iter().map(density).collect();
    let most = each.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mixed: f64 = each.iter().zip(shares).map(|(one, share)| share * (one - most).exp()).sum();
    each.iter().map(|one| one - most - mixed.ln()).collect()
}

/// The spread of `of` in each of `categories`.
fn spreads(
    all: &[Reading],
    categories: usize,
    width: f64,
    category: impl Fn(&Reading) -> usize,
    of: &dyn Fn(&Reading) -> f64,
) -> Vec<Spread> {
    /// Fewer tell nothing of their own.
    const FEW: usize = 8;
    let values = |wanted: &dyn Fn(&Reading) -> bool| -> Vec<f64> {
        all.iter().filter(|one| wanted(one)).map(of).collect()
    };
    let one = |number: usize| {
        let own = values(&|reading| category(reading) == number);
        if own.len() < FEW { values(&|_| true) } else { own }
    };
    (0..categories).map(|number| Spread::of(one(number), width)).collect()
}

/// From a list for each of `N` numbers to the `N` numbers of each place.
fn transposed<const N: usize>(lists: [Vec<Spread>; N]) -> Vec<[Spread; N]> {
    let length = lists.iter().map(Vec::len).min().unwrap_or(0);
    (0..length).map(|at| std::array::from_fn(|list| lists[list][at])).collect()
}

/// A difference of hues, from half a turn back to half a turn on.
fn turns(difference: f64) -> f64 {
    (difference + 0.5).rem_euclid(1.0) - 0.5
}

/// Looks at the middle frame and listens to the sound of every clip, on all cores.
fn read_all(
    clips: &[Clip],
    progress: &mut dyn FnMut(usize, usize),
) -> anyhow::Result<Vec<Reading>> {
    let mut all: Vec<Option<Reading>> = vec![None; clips.len()];
    let mut done = 0;
    for_each(
        clips.len(),
        threads(0),
        |at, teller| {
            teller.tell((at, read(&clips[at])?));
            anyhow::Ok(())
        },
        &mut |(at, reading): (usize, Reading)| {
            all[at] = Some(reading);
            done += 1;
            progress(done, clips.len());
        },
    )?;
    Ok(all.into_iter().flatten().collect())
}

/// Looks at the middle frame of `clip` and listens to its sound.
pub(super) fn read(clip: &Clip) -> anyhow::Result<Reading> {
    let picture = read_picture(&clip.frame_path(clip.middle_frame()))?;
    let sound = read_sound(&clip.sound)?;
    Ok((Seen::of(&picture), Heard::of(&sound)))
}
