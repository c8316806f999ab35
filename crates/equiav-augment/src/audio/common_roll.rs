//! A roll in time of the plain and the augmented view alike; it has no slots.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::spec_augment::{draw_shift, roll};
use crate::setting::Chance;
use crate::{Context, Draw, Family, Profile, Setting, Slot, Spectrogram, SpectrogramSize};

/// Rolls both views by the same number of frames before anything else happens.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct CommonRoll {
    /// Chance that a draw rolls; left out, always in the published profile, never in the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
}

impl Setting for CommonRoll {
    fn spec() -> Self {
        Self { chance: None }
    }
}

/// A drawn [`CommonRoll`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum CommonRollDraw {
    /// Leaves both views as they are.
    #[default]
    Off,
    /// Rolls both views.
    By(
        /// How many frames later the views begin.
        isize,
    ),
}

impl Family<Spectrogram> for CommonRoll {
    type Draw = CommonRollDraw;

    const SLOTS: usize = 0;

    fn slots(&self, _: &Context<SpectrogramSize>) -> Vec<Slot> {
        Vec::new()
    }

    fn draw(&self, context: &Context<SpectrogramSize>, rng: &mut impl Rng) -> CommonRollDraw {
        let chance = self.chance.unwrap_or(match context.profile {
            // PUBLISHED: shift-not-applied, every training clip is rolled, both views alike.
            Profile::Published => Chance::ALWAYS,
            Profile::Corrected => Chance::NEVER,
        });
        if !chance.strikes(rng) {
            return CommonRollDraw::Off;
        }
        let frames = context.source.frames;
        match draw_shift(frames, rng) {
            shift if shift % frames as isize == 0 => CommonRollDraw::Off,
            shift => CommonRollDraw::By(shift),
        }
    }
}

impl Draw<Spectrogram> for CommonRollDraw {
    fn apply(&self, _: &Context<SpectrogramSize>, mut view: Spectrogram) -> Spectrogram {
        if let Self::By(shift) = self {
            roll(&mut view, *shift);
        }
        view
    }

    fn carry(&self, context: &Context<SpectrogramSize>, marks: Spectrogram) -> Spectrogram {
        self.apply(context, marks)
    }

    fn encode(&self, _: &Context<SpectrogramSize>, _: &mut Vec<f32>) {}
}
