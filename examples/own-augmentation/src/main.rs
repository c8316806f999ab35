//! An augmentation of one's own: it is checked against the laws of all augmentations, joins a
//! recipe read from TOML, and its numbers stand at the end of the parameter vector.

use equiav_augment::*;
use ndarray::Array2;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Blanks a band of mel bins, as a filter would: its settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
struct BandStop {
    chance: Chance,
    width: Share,
}

impl Setting for BandStop {
    fn spec() -> Self {
        Self { chance: Chance::of(0.5), width: Share::of(0.1) }
    }
}

/// One draw: the first blanked mel bin and how many there are; 0 by default, which changes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
struct Band(usize, usize);

impl Family<Spectrogram> for BandStop {
    type Draw = Band;
    const SLOTS: usize = 3;

    fn slots(&self, _: &Context<SpectrogramSize>) -> Vec<Slot> {
        let share = |name| Slot::range(name, 0.0, 1.0, "a share of the mel bins, 0 when off");
        vec![Slot::flag("band stop on", "whether"), share("band start"), share("band width")]
    }

    fn draw(&self, context: &Context<SpectrogramSize>, rng: &mut impl Rng) -> Band {
        let width = (self.width.get() * context.source.mels as f64) as usize;
        match self.chance.strikes(rng) && width > 0 {
            true => Band(random::below(context.source.mels - width + 1, rng), width),
            false => Band::default(),
        }
    }
}

impl Draw<Spectrogram> for Band {
    fn apply(&self, _: &Context<SpectrogramSize>, mut view: Spectrogram) -> Spectrogram {
        let mels = view.mels();
        let frames = view.as_mut_slice().chunks_exact_mut(mels);
        frames.for_each(|frame| frame[self.0..][..self.1].fill(0.0));
        view
    }

    fn encode(&self, context: &Context<SpectrogramSize>, vector: &mut Vec<f32>) {
        let share = |bins: usize| bins as f32 / context.source.mels as f32;
        vector.extend([f32::from(self.1 > 0), share(self.0), share(self.1)]);
    }
}

/// As the `[augment.audio]` section of a recipe.
const RECIPE: &str = "vector = 29\nflip.chance = 0\nband_stop = { chance = 1, width = 0.25 }";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plain =
        Spectrogram::new(Array2::from_shape_fn((96, 32), |(t, m)| (t * 32 + m) as f32 + 1.));
    let link = Link::new("band_stop", BandStop::spec());
    for (seed, profile) in (0..500).flat_map(|seed| Profile::ALL.map(|profile| (seed, profile))) {
        let context = Context { profile, source: plain.size(), output: plain.size() };
        laws::check(&link, &context, &plain, seed);
        laws::check_material(&link, &context, 40, seed);
    }
    let mut augment: AudioAugment = toml::from_str(RECIPE)?;
    augment.resolve(&FamilyRegistry::default().with(link))?;
    let views = augment.views(plain, &mut stream(7, 0, 42, Purpose::Augmentation(Modality::AUDIO)));
    for (slot, value) in augment.slots().iter().zip(views.vector.as_slice()) {
        println!("{:28} {value:8.4}", slot.name);
    }
    Ok(())
}
