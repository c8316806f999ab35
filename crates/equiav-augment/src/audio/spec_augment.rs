//! SpecAugment: blanks a band of frames and a band of mel bins and rolls in time, on one coin.

use std::ops::Range;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::setting::{Chance, Share};
use crate::{
    Context, Draw, Family, Profile, Setting, Slot, Spectrogram, SpectrogramSize, View, random,
};

/// Blanks a band of frames and a band of mel bins, then rolls the view in time.
///
/// Blanked values become 0, the mean of a standardized spectrogram.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct SpecAugment {
    /// Chance that a draw masks and rolls.
    pub chance: Chance,
    /// The widest band of frames, as a share of all frames.
    pub max_time: Share,
    /// The widest band of mel bins, as a share of all mel bins.
    pub max_mel: Share,
}

impl Setting for SpecAugment {
    fn spec() -> Self {
        // 192 of 1024 frames, 48 of 128 mel bins.
        Self { chance: Chance::of(0.8), max_time: Share::of(0.1875), max_mel: Share::of(0.375) }
    }
}

/// A drawn [`SpecAugment`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpecAugmentDraw {
    /// The blanked bands.
    pub masks: Option<Masks>,
    /// How many frames later the view begins; its end comes round to the front.
    pub shift: Option<isize>,
}

/// Bands of a spectrogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Masks {
    /// The frames.
    pub time: Range<usize>,
    /// The mel bins.
    pub mel: Range<usize>,
}

impl Family<Spectrogram> for SpecAugment {
    type Draw = SpecAugmentDraw;

    const SLOTS: usize = 7;

    fn slots(&self, context: &Context<SpectrogramSize>) -> Vec<Slot> {
        let SpectrogramSize { frames, mels } = context.source;
        let limit = |name, axis: usize| match context.profile {
            Profile::Published => {
                Slot::range(name, 0.0, axis as f64, "a whole number of frames or mel bins")
            }
            Profile::Corrected => Slot::range(name, 0.0, 1.0, "a share of the axis"),
        };
        let shift = match context.profile {
            Profile::Published => {
                ["whether a shift is drawn", "a share of all frames, not applied"]
            }
            Profile::Corrected => ["whether time is rolled", "how much later, over all frames"],
        };
        vec![
            Slot::flag("SpecAugment on", "whether bands are blanked"),
            limit("time mask start", frames),
            limit("time mask end", frames),
            limit("mel mask start", mels),
            limit("mel mask end", mels),
            Slot::flag("time shift on", shift[0]),
            Slot::range("time shift", -1.0, 1.0, shift[1]),
        ]
    }

    fn draw(&self, context: &Context<SpectrogramSize>, rng: &mut impl Rng) -> SpecAugmentDraw {
        if !self.chance.strikes(rng) {
            return SpecAugmentDraw::default();
        }
        let SpectrogramSize { frames, mels } = context.source;
        let time = draw_band(frames, self.max_time, rng);
        let mel = draw_band(mels, self.max_mel, rng);
        let shift = draw_shift(frames, rng);
        match context.profile {
            // PUBLISHED: draws-without-effect, bands of width 0 and rolls by nothing are recorded
            // as masks and shifts; corrected records what acts.
            Profile::Published => {
                SpecAugmentDraw { masks: Some(Masks { time, mel }), shift: Some(shift) }
            }
            Profile::Corrected => SpecAugmentDraw {
                masks: Masks { time, mel }.if_any(),
                shift: (shift % frames as isize != 0).then_some(shift),
            },
        }
    }
}

/// A band of up to `widest` of an axis of `length`: a uniform width, then a uniform place.
fn draw_band(length: usize, widest: Share, rng: &mut impl Rng) -> Range<usize> {
    let width = random::unit(rng) * widest.get() * length as f64;
    let start = (random::unit(rng) * (length as f64 - width)) as usize;
    start..start + width as usize
}

/// Frames to roll by, from `-frames` to `frames - 1`.
pub(super) fn draw_shift(frames: usize, rng: &mut impl Rng) -> isize {
    random::below(2 * frames, rng) as isize - frames as isize
}

impl Masks {
    /// The bands, one without width standing at 0, unless neither has any.
    fn if_any(self) -> Option<Self> {
        let tidy = |band: Range<usize>| if band.is_empty() { 0..0 } else { band };
        let masks = Self { time: tidy(self.time), mel: tidy(self.mel) };
        (!masks.time.is_empty() || !masks.mel.is_empty()).then_some(masks)
    }
}

impl Draw<Spectrogram> for SpecAugmentDraw {
    fn apply(&self, context: &Context<SpectrogramSize>, mut view: Spectrogram) -> Spectrogram {
        if let Some(masks) = &self.masks {
            mask(&mut view, masks);
        }
        match (context.profile, self.shift) {
            // PUBLISHED: shift-not-applied, the shift of the vector rolls an axis of equal channels
            // and so does nothing; all that rolls is `common_roll`.
            (Profile::Published, _) | (_, None) => {}
            (Profile::Corrected, Some(shift)) => roll(&mut view, shift),
        }
        view
    }

    fn apply_to(&self, context: &Context<SpectrogramSize>, view: &Spectrogram) -> Spectrogram {
        match (context.profile, self.shift) {
            (Profile::Corrected, Some(shift)) => rolled(view, self.masks.as_ref(), shift),
            _ => self.apply(context, view.clone()),
        }
    }

    fn carry(&self, context: &Context<SpectrogramSize>, marks: Spectrogram) -> Spectrogram {
        // What is blanked is material still.
        Self { masks: None, shift: self.shift }.apply(context, marks)
    }

    fn encode(&self, context: &Context<SpectrogramSize>, vector: &mut Vec<f32>) {
        let SpectrogramSize { frames, mels } = context.source;
        let share = |index: usize, axis: usize| match context.profile {
            // PUBLISHED: mask-raw-index, the limits of the bands enter as indices.
            Profile::Published => index as f32,
            Profile::Corrected => index as f32 / axis as f32,
        };
        vector.extend(self.masks.as_ref().map_or([0.0; 5], |Masks { time, mel }| {
            [
                1.0,
                share(time.start, frames),
                share(time.end, frames),
                share(mel.start, mels),
                share(mel.end, mels),
            ]
        }));
        let shift = self.shift.map(|shift| shift as f32 / frames as f32);
        vector.extend(shift.map_or([0.0, 0.0], |shift| [1.0, shift]));
    }
}

/// Sets both bands to 0.
///
/// # Panics
///
/// If a band reaches beyond the spectrogram.
#[track_caller]
pub fn mask(spectrogram: &mut Spectrogram, masks: &Masks) {
    let (frames, mels) = (spectrogram.frames(), spectrogram.mels());
    assert!(
        masks.time.end <= frames && masks.mel.end <= mels,
        "mask: {masks:?} reaches beyond {frames} frames of {mels} mel bins"
    );
    let frames = masks.time.start * mels..masks.time.end * mels;
    spectrogram.as_mut_slice()[frames].fill(0.0);
    for row in spectrogram.rows_mut() {
        row[masks.mel.clone()].fill(0.0);
    }
}

/// A spectrogram masked, then rolled, in one copy.
fn rolled(view: &Spectrogram, masks: Option<&Masks>, shift: isize) -> Spectrogram {
    let (frames, mels) = (view.frames(), view.mels());
    let shift = shift.rem_euclid(frames as isize) as usize;
    let (early, late) = view.as_slice().split_at((frames - shift) * mels);
    let mut values = Vec::with_capacity(frames * mels);
    values.extend_from_slice(late);
    values.extend_from_slice(early);
    let mut rolled = Spectrogram::from_frames(view.size(), values);
    if let Some(Masks { time, mel }) = masks {
        mask(&mut rolled, &Masks { time: 0..0, mel: mel.clone() });
        for frame in time.clone() {
            let begin = (frame + shift) % frames * mels;
            rolled.as_mut_slice()[begin..begin + mels].fill(0.0);
        }
    }
    rolled
}

/// Rolls in time: what was in frame 0 is in frame `shift` after, and the end comes to the front.
pub fn roll(spectrogram: &mut Spectrogram, shift: isize) {
    let frames = shift.rem_euclid(spectrogram.frames() as isize) as usize;
    let values = frames * spectrogram.mels();
    spectrogram.as_mut_slice().rotate_right(values);
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;

    fn numbered() -> Spectrogram {
        Spectrogram::new(Array2::from_shape_fn((5, 3), |(t, m)| (10 * t + m + 1) as f32))
    }

    #[test]
    fn a_mask_blanks_its_bands_and_nothing_else() {
        let mut masked = numbered();
        mask(&mut masked, &Masks { time: 1..3, mel: 2..3 });
        for ((t, m), value) in masked.values().indexed_iter() {
            let blank = (1..3).contains(&t) || m == 2;
            assert_eq!(*value == 0.0, blank, "frame {t}, bin {m}");
        }
    }

    #[test]
    fn a_roll_moves_later_for_positive_shifts() {
        let mut rolled = numbered();
        roll(&mut rolled, 2);
        assert_eq!(rolled.values().slice(s![.., 0]).to_vec(), [31.0, 41.0, 1.0, 11.0, 21.0]);
        roll(&mut rolled, -2);
        assert_eq!(rolled, numbered());
    }

    #[test]
    fn one_copy_masks_and_rolls_as_one_after_the_other() {
        let source = numbered().size();
        let context = Context { profile: Profile::Corrected, source, output: source };
        for shift in [-7, -5, -1, 1, 3, 4] {
            for masks in [None, Some(Masks { time: 1..4, mel: 2..3 })] {
                let draw = SpecAugmentDraw { masks, shift: Some(shift) };
                let copied = draw.apply_to(&context, &numbered());
                assert_eq!(copied, draw.apply(&context, numbered()), "{draw:?}");
            }
        }
    }

    #[test]
    fn the_published_vector_reports_indices_and_the_corrected_one_shares() {
        let source = SpectrogramSize { frames: 1024, mels: 128 };
        let masks = Some(Masks { time: 100..230, mel: 16..48 });
        let draw = SpecAugmentDraw { masks, shift: Some(-256) };
        let vector = |profile| {
            let mut vector = Vec::new();
            draw.encode(&Context { profile, source, output: source }, &mut vector);
            vector
        };
        assert_eq!(vector(Profile::Published), [1.0, 100.0, 230.0, 16.0, 48.0, 1.0, -0.25]);
        let shares = [1.0, 100.0 / 1024.0, 230.0 / 1024.0, 0.125, 0.375, 1.0, -0.25];
        assert_eq!(vector(Profile::Corrected), shares);
    }
}
