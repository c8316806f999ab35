//! Color jitter of both modalities: its settings, draws and slots; the colors are in `*/color.rs`.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::audio::color as tone;
use crate::setting::{Chance, Interval, Share};
use crate::visual::color::{self, Change};
use crate::{
    Context, Draw, Family, Image, ImageSize, Profile, Setting, Slot, Spectrogram, SpectrogramSize,
    random,
};

/// Changes brightness, contrast, saturation and hue, in a random order.
///
/// A spectrogram in the corrected profile has no color: saturation and hue stay off, brightness is
/// a gain in the log domain and contrast acts about the mean. The two commute, so no order is
/// drawn either: one effect, one vector.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
pub struct Jitter {
    /// Chance that a draw changes anything.
    pub chance: Chance,
    /// Limits of the factor of brightness.
    pub brightness: Interval,
    /// Limits of the factor of contrast.
    pub contrast: Interval,
    /// Limits of the factor of saturation.
    pub saturation: Interval,
    /// The largest turn of the hue, either way, as a share of the color circle.
    pub hue: Share,
}

impl Setting for Jitter {
    fn spec() -> Self {
        Self {
            chance: Chance::of(0.8),
            brightness: Interval::of(0.6, 1.4),
            contrast: Interval::of(0.6, 1.4),
            saturation: Interval::of(0.6, 1.4),
            hue: Share::of(0.1),
        }
    }
}

/// One of the four things that a jitter changes; its number is its place when nothing is shuffled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Operation 0.
    Brightness,
    /// Operation 1.
    Contrast,
    /// Operation 2.
    Saturation,
    /// Operation 3.
    Hue,
}

impl Operation {
    /// The four in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Brightness, Self::Contrast, Self::Saturation, Self::Hue];

    /// The four in random order.
    fn shuffled(rng: &mut impl Rng) -> [Self; 4] {
        let mut order = Self::ALL;
        random::shuffle(&mut order, rng);
        order
    }
}

/// A drawn [`Jitter`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum JitterDraw {
    /// Changes nothing.
    #[default]
    Off,
    /// Changes by all four factors.
    On(Factors),
}

/// By how much a jitter changes what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Which operation acts first, second, third and last.
    pub order: [Operation; 4],
    /// 1 changes nothing, 0 is black.
    pub brightness: f64,
    /// 1 changes nothing, 0 is the mean.
    pub contrast: f64,
    /// 1 changes nothing, 0 is gray.
    pub saturation: f64,
    /// Turns of the color circle; 0 changes nothing.
    pub hue: f64,
}

impl Factors {
    /// Those that change nothing.
    pub const NONE: Self =
        Self { order: Operation::ALL, brightness: 1.0, contrast: 1.0, saturation: 1.0, hue: 0.0 };
}

impl Jitter {
    /// Draws as torchvision's `ColorJitter.get_params`: an order and four independent factors.
    fn draw(&self, rng: &mut impl Rng) -> JitterDraw {
        if !self.chance.strikes(rng) {
            return JitterDraw::Off;
        }
        JitterDraw::On(Factors {
            order: Operation::shuffled(rng),
            brightness: self.brightness.uniform(rng),
            contrast: self.contrast.uniform(rng),
            saturation: self.saturation.uniform(rng),
            hue: self.hue.get() * (2.0 * random::unit(rng) - 1.0),
        })
    }

    /// Its nine slots.
    fn slots(&self, profile: Profile, meanings: [&'static str; 4]) -> Vec<Slot> {
        let last = order_number(Operation::Hue, profile);
        let place = |name, meaning| {
            let names = &["brightness", "contrast", "saturation", "hue"];
            Slot::range(name, 0.0, f64::from(last), meaning).one_of(names)
        };
        let less_one = |name, factor: Interval, meaning| {
            let (low, high) = ((factor.low() - 1.0).min(0.0), (factor.high() - 1.0).max(0.0));
            Slot::range(name, low, high, meaning)
        };
        let hue = self.hue.get();
        let numbers = match profile {
            Profile::Published => "0 brightness, 1 contrast, 2 saturation, 3 hue",
            Profile::Corrected => "0 brightness, 1/3 contrast, 2/3 saturation, 1 hue",
        };
        vec![
            Slot::flag("jitter on", "whether the colors are changed"),
            place("first operation", numbers),
            place("second operation", "likewise; in this order when off"),
            place("third operation", "likewise"),
            place("fourth operation", "likewise"),
            less_one("brightness - 1", self.brightness, meanings[0]),
            less_one("contrast - 1", self.contrast, meanings[1]),
            less_one("saturation - 1", self.saturation, meanings[2]),
            Slot::range("hue", 0.0 - hue, hue, meanings[3]),
        ]
    }

    /// Its nine slots where only brightness and contrast act.
    fn slots_of_one_channel(&self) -> Vec<Slot> {
        let gray = Self { saturation: Interval::of(1.0, 1.0), hue: Share::of(0.0), ..*self };
        let mut slots = gray.slots(
            Profile::Corrected,
            [
                "gain: added to the log-mels, in their standard deviations",
                "factor of the distance from the mean, less 1",
                "one channel has no saturation",
                "one channel has no hue",
            ],
        );
        for (slot, operation) in slots[1..=4].iter_mut().zip(Operation::ALL) {
            let number = order_number(operation, Profile::Corrected);
            slot.min = number;
            slot.max = number;
            slot.meaning = "gain and contrast commute, so no order is drawn";
        }
        slots
    }
}

impl JitterDraw {
    /// The drawn factors, or those that change nothing.
    pub fn factors(&self) -> &Factors {
        match self {
            Self::Off => &Factors::NONE,
            Self::On(factors) => factors,
        }
    }

    fn encode(&self, profile: Profile, vector: &mut Vec<f32>) {
        let factors = self.factors();
        vector.push(f32::from(*self != Self::Off));
        vector.extend(factors.order.map(|operation| order_number(operation, profile)));
        let less_one = [factors.brightness, factors.contrast, factors.saturation];
        vector.extend(less_one.map(|factor| (factor - 1.0) as f32));
        vector.push(factors.hue as f32);
    }
}

/// The number of an operation in the vector.
fn order_number(operation: Operation, profile: Profile) -> f32 {
    let number = operation as usize as f32;
    match profile {
        // PUBLISHED: jitter-order-integers, the order enters as whole numbers from 0 to 3.
        Profile::Published => number,
        Profile::Corrected => number / 3.0,
    }
}

impl Family<Image> for Jitter {
    type Draw = JitterDraw;

    const SLOTS: usize = 9;

    fn slots(&self, context: &Context<ImageSize>) -> Vec<Slot> {
        self.slots(
            context.profile,
            [
                "factor of the levels, less 1",
                "factor of the distance from the mean luma, less 1",
                "factor of the distance from gray, less 1",
                "turns of the color circle",
            ],
        )
    }

    fn draw(&self, _: &Context<ImageSize>, rng: &mut impl Rng) -> JitterDraw {
        self.draw(rng)
    }
}

impl Draw<Image> for JitterDraw {
    fn apply(&self, _: &Context<ImageSize>, mut view: Image) -> Image {
        let Self::On(factors) = self else { return view };
        let change = |operation| match operation {
            Operation::Brightness => Change::Brightness(factors.brightness),
            Operation::Contrast => Change::Contrast(factors.contrast),
            Operation::Saturation => Change::Saturation(factors.saturation),
            Operation::Hue => Change::Hue(factors.hue),
        };
        color::change(&mut view, &factors.order.map(change));
        view
    }

    fn encode(&self, context: &Context<ImageSize>, vector: &mut Vec<f32>) {
        self.encode(context.profile, vector);
    }
}

impl Family<Spectrogram> for Jitter {
    type Draw = JitterDraw;

    const SLOTS: usize = 9;

    fn slots(&self, context: &Context<SpectrogramSize>) -> Vec<Slot> {
        match context.profile {
            Profile::Published => self.slots(
                Profile::Published,
                [
                    "factor of the values, less 1",
                    "factor of the distance from the mean, less 1",
                    "factor of the distance from gray, less 1",
                    "turns of the color circle",
                ],
            ),
            Profile::Corrected => self.slots_of_one_channel(),
        }
    }

    fn draw(&self, context: &Context<SpectrogramSize>, rng: &mut impl Rng) -> JitterDraw {
        match (context.profile, self.draw(rng)) {
            (Profile::Corrected, JitterDraw::On(Factors { brightness, contrast, .. })) => {
                JitterDraw::On(Factors { brightness, contrast, ..Factors::NONE })
            }
            (_, drawn) => drawn,
        }
    }
}

impl Draw<Spectrogram> for JitterDraw {
    fn apply(&self, context: &Context<SpectrogramSize>, mut view: Spectrogram) -> Spectrogram {
        let Self::On(factors) = self else { return view };
        match context.profile {
            // PUBLISHED: jitter-clamped, a standardized spectrogram is treated as a picture with
            // levels from 0 to 1, and what lies outside is cut off.
            Profile::Published => {
                for operation in factors.order {
                    match operation {
                        Operation::Brightness => tone::brightness(&mut view, factors.brightness),
                        Operation::Contrast => tone::contrast(&mut view, factors.contrast),
                        Operation::Saturation => tone::saturation(&mut view, factors.saturation),
                        // PUBLISHED: hue-of-one-channel, published code carries three channels, of
                        // which red alone stays unclamped when hue acts first; here all are cut.
                        Operation::Hue => tone::hue(&mut view),
                    }
                }
            }
            Profile::Corrected => {
                tone::gain_and_contrast(&mut view, factors.brightness - 1.0, factors.contrast);
            }
        }
        view
    }

    fn encode(&self, context: &Context<SpectrogramSize>, vector: &mut Vec<f32>) {
        self.encode(context.profile, vector);
    }
}
