//! Families of another crate: how they join a recipe, and what is refused.

use std::panic::{AssertUnwindSafe, catch_unwind};

use equiav_augment::{
    AudioAugment, AudioVector, Chance, Context, Draw, Family, FamilyRegistry, Link, Positive,
    Profile, Purpose, Setting, Slot, Spectrogram, SpectrogramSize, View, laws, random, stream,
};
use ndarray::Array2;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Adds the same number to all values.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
struct Hum {
    chance: Chance,
    level: Option<Positive>,
}

impl Setting for Hum {
    fn spec() -> Self {
        Self { chance: Chance::of(0.5), level: None }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct HumDraw(f32);

impl Family<Spectrogram> for Hum {
    type Draw = HumDraw;

    const SLOTS: usize = 2;

    fn slots(&self, _: &Context<SpectrogramSize>) -> Vec<Slot> {
        vec![Slot::flag("hum on", "whether it hums"), Slot::range("level", 0.0, 9.0, "added")]
    }

    fn draw(&self, _: &Context<SpectrogramSize>, rng: &mut impl Rng) -> HumDraw {
        let level = self.level.map_or(1.0, Positive::get) * (0.5 + random::unit(rng));
        HumDraw(if self.chance.strikes(rng) { level as f32 } else { 0.0 })
    }
}

impl Draw<Spectrogram> for HumDraw {
    fn apply(&self, _: &Context<SpectrogramSize>, mut view: Spectrogram) -> Spectrogram {
        view.as_mut_slice().iter_mut().for_each(|value| *value += self.0);
        view
    }

    fn encode(&self, _: &Context<SpectrogramSize>, vector: &mut Vec<f32>) {
        vector.extend([f32::from(self.0 != 0.0), self.0]);
    }
}

/// Plays all but the first `kept` frames backwards.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default = "Setting::spec")]
struct Reversal {
    kept: usize,
    /// What is wrong with it.
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
enum Fault {
    Restless,
    TooLong,
    Unmarked,
    OutOfRange,
    Idle,
}

impl Setting for Reversal {
    fn spec() -> Self {
        Self { kept: 0, fault: None }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct ReversalDraw {
    kept: Option<usize>,
    fault: Option<Fault>,
}

impl Family<Spectrogram> for Reversal {
    type Draw = ReversalDraw;

    const SLOTS: usize = 1;

    fn slots(&self, _: &Context<SpectrogramSize>) -> Vec<Slot> {
        vec![Slot::flag("reversal on", "whether time runs backwards")]
    }

    fn draw(&self, _: &Context<SpectrogramSize>, rng: &mut impl Rng) -> ReversalDraw {
        let kept = Chance::of(0.9).strikes(rng).then_some(self.kept);
        ReversalDraw { kept, fault: self.fault }
    }
}

impl Draw<Spectrogram> for ReversalDraw {
    fn apply(&self, _: &Context<SpectrogramSize>, view: Spectrogram) -> Spectrogram {
        let size = view.size();
        if self.fault == Some(Fault::TooLong) {
            return Spectrogram::new(Array2::zeros((size.frames + 1, size.mels)));
        }
        let Some(kept) = self.kept.filter(|_| self.fault != Some(Fault::Idle)) else {
            return view;
        };
        let row = |t: usize| if t < kept { t } else { size.frames - 1 - (t - kept) };
        let values = view.values();
        let value = |(t, m)| values[[row(t), m]];
        Spectrogram::new(Array2::from_shape_fn((size.frames, size.mels), value))
    }

    fn apply_to(&self, context: &Context<SpectrogramSize>, view: &Spectrogram) -> Spectrogram {
        match self.fault {
            Some(Fault::Restless) => view.clone(),
            _ => self.apply(context, view.clone()),
        }
    }

    fn carry(&self, context: &Context<SpectrogramSize>, marks: Spectrogram) -> Spectrogram {
        match self.fault {
            Some(Fault::Unmarked) => marks,
            _ => self.apply(context, marks),
        }
    }

    fn encode(&self, _: &Context<SpectrogramSize>, vector: &mut Vec<f32>) {
        let on = if self.fault == Some(Fault::OutOfRange) { 2.0 } else { 1.0 };
        vector.push(if self.kept.is_some() { on } else { 0.0 });
    }
}

const SIZE: SpectrogramSize = SpectrogramSize { frames: 24, mels: 8 };

fn sound() -> Spectrogram {
    Spectrogram::new(Array2::from_shape_fn((24, 8), |(t, m)| ((t * 8 + m) as f32).sin()))
}

/// Two families, of which a recipe may name none, one or both.
fn registry() -> FamilyRegistry<Spectrogram> {
    FamilyRegistry::default()
        .with(Link::new("reversal", Reversal::spec()))
        .with(Link::new("hum", Hum::spec()))
}

fn read(text: &str) -> AudioAugment {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn resolved(text: &str) -> AudioAugment {
    let mut augment = read(text);
    augment.resolve(&registry()).unwrap_or_else(|error| panic!("{text}: {error}"));
    augment
}

#[test]
fn families_join_behind_those_built_in_and_change_none_of_their_draws() {
    // In the order of the registry, not of the recipe.
    let augment = resolved("vector = 29\nhum.chance = 1\nhum.level = 2\nreversal.kept = 0");
    let keys: Vec<&str> = augment.families(SIZE).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys[5..], ["volume", "reversal", "hum"]);
    assert_eq!((augment.len(), augment.slots().len()), (29, 29));
    assert_eq!(augment.family::<Hum>().level, Some(Positive::of(2.0)));

    let built_in = AudioAugment::corrected(AudioVector::P26);
    for clip in 0..20 {
        let rng = || stream(5, 0, clip, Purpose::Synthesis);
        let (ours, theirs) = (augment.draw(SIZE, &mut rng()), built_in.draw(SIZE, &mut rng()));
        let (ours, theirs) =
            (AudioAugment::views_of(&ours, sound()), AudioAugment::views_of(&theirs, sound()));
        assert_eq!(ours.vector.as_slice()[..26], *theirs.vector.as_slice());
        let [reversed, hums, level] = ours.vector.as_slice()[26..] else { panic!("29 numbers") };
        assert_eq!(hums, 1.0);
        for (t, frame) in ours.augmented.values().outer_iter().enumerate() {
            let from = if reversed == 1.0 { SIZE.frames - 1 - t } else { t };
            let expected = theirs.augmented.values().row(from).to_owned() + level;
            assert_eq!(frame, expected, "frame {t}");
        }
    }
}

#[test]
fn what_moves_frames_moves_what_is_known_of_them() {
    let augment = resolved("vector = 27\nreversal = {}");
    let mut drawn = augment.identity(SIZE);
    drawn.of_mut::<Reversal>().kept = Some(0);
    let [plain, augmented] = drawn.material(10);
    assert_eq!(plain.iter().position(|mark| !mark), Some(10));
    assert_eq!(augmented.iter().position(|mark| *mark), Some(14));
}

#[test]
fn a_shorter_vector_leaves_them_out() {
    let shorter = resolved("vector = 24\nhum = {}\nreversal = {}");
    let built_in = AudioAugment::corrected(AudioVector::P24);
    let vectors =
        |augment: &AudioAugment| augment.sample(SIZE, 9, &mut stream(1, 0, 0, Purpose::Synthesis));
    assert_eq!(vectors(&shorter), vectors(&built_in));
    assert_eq!(resolved("vector = 27\nhum = {}\nreversal = {}").slots()[26].name, "reversal on");
}

#[test]
fn they_are_written_and_read_again() {
    let augment = resolved("vector = 28\nhum.chance = 0.25\nprofile = \"published\"");
    let text = toml::to_string(&augment).expect("plain tables");
    assert!(text.ends_with("\n[hum]\nchance = 0.25\n"), "{text}");
    assert_eq!(resolved(&text), augment);
    let json = serde_json::to_string(&augment).expect("plain tables");
    assert!(json.contains("\"level\":null"), "{json}");
    let mut again: AudioAugment = serde_json::from_str(&json).expect("its own text");
    again.resolve(&registry()).expect("its own families");
    assert_eq!(again, augment);

    let unresolved = read("hum.chance = 0.25");
    let text = toml::to_string(&unresolved).expect("plain tables");
    assert_eq!(read(&text), unresolved, "{text}");
}

#[test]
fn a_chain_is_composed_without_a_recipe_too() {
    let full = AudioAugment::corrected(AudioVector::P26);
    let hum = Link::new("hum", Hum { chance: Chance::of(0.25), ..Hum::spec() });
    let augment = full.clone().with(hum.clone());
    assert_eq!(augment, resolved("vector = 28\nhum.chance = 0.25"));
    assert_ne!(augment, full.with(Link::new("hum", Hum::spec())));
    assert_eq!(AudioAugment::published().with(hum).len(), 24);
}

#[test]
fn what_no_family_is_named_is_refused_with_those_there_are() {
    let refusal = |text: &str| {
        let mut augment = read(text);
        let before = augment.clone();
        let error = augment.resolve(&registry()).expect_err(text);
        assert_eq!(augment, before, "{text}");
        error.to_string()
    };
    let known = "`profile`, `vector`, `common_roll`, `spec_augment`, `crop`, `jitter`, `blur`, \
                 `flip`, `volume`";
    let expected = [
        (
            "humm = {}",
            format!("humm: unknown field `humm`, expected one of {known}, `reversal`, `hum`"),
        ),
        (
            "vector = 28\nhum.chance = 2",
            "hum.chance: 2 is no chance: expected a number from 0 to 1".to_owned(),
        ),
        (
            "vector = 28\nhum.levl = 2",
            "hum.levl: unknown field `levl`, expected `chance` or `level`".to_owned(),
        ),
        (
            "vector = 28\nhum = 2",
            "hum: invalid type: integer `2`, expected struct Hum".to_owned(),
        ),
        (
            "hum = {}",
            "vector: the default of 24 ends before the last family; help: vector = 28".to_owned(),
        ),
        (
            "vector = 27\nhum = {}",
            "vector: 27 is no length of the audio parameter vector: expected one of 7, 12, 21, 23, \
             24, 26, 28"
                .to_owned(),
        ),
    ];
    for (text, message) in expected {
        assert_eq!(refusal(text), message, "{text}");
    }
    let alone = read("hum = {}").check().expect_err("no registry").message;
    assert_eq!(alone, format!("unknown field `hum`, expected one of {known}"));
    let none = read("hum = {}").resolve(&FamilyRegistry::default()).expect_err("an empty registry");
    assert_eq!(none.message, alone);
    assert_eq!(resolved("").check(), Ok(()));
}

/// What a panic says.
fn complaint(action: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(action)).err()?;
    panic.downcast::<String>().ok().map(|text| *text)
}

#[test]
fn nothing_is_drawn_before_all_tables_are_known() {
    let augment = read("vector = 28\nhum = {}");
    let draw = || drop(augment.draw(SIZE, &mut stream(0, 0, 0, Purpose::Synthesis)));
    let says = complaint(draw).expect("a table is not resolved");
    assert!(says.starts_with("a chain draws once `resolve` or `check` has passed: hum"), "{says}");
    let taken = || drop(registry().with(Link::new("jitter", Hum::spec())));
    assert_eq!(complaint(taken).as_deref(), Some("with: the key `jitter` is taken"));
}

#[test]
fn the_laws_find_families_that_break_them() {
    let complaint_of = |reversal: Reversal| {
        let link = Link::new("reversal", reversal);
        complaint(|| {
            for (seed, profile) in (0..20).flat_map(|seed| Profile::ALL.map(|each| (seed, each))) {
                let context = Context { profile, source: SIZE, output: SIZE };
                laws::check(&link, &context, &sound(), seed);
                laws::check_material(&link, &context, 5, seed);
            }
        })
    };
    assert_eq!(complaint_of(Reversal::spec()), None);
    assert_eq!(complaint_of(Reversal { kept: 7, fault: None }), None);
    let faults = [
        (Fault::Restless, "borrowed as owned"),
        (Fault::TooLong, "keeps the size"),
        (Fault::Unmarked, "has no mark"),
        (Fault::OutOfRange, "is outside Slot"),
        (Fault::Idle, "what claims to act, acts"),
    ];
    for (fault, law) in faults {
        let says = complaint_of(Reversal { kept: 0, fault: Some(fault) }).expect("a broken law");
        assert!(says.contains(law), "{fault:?}: {says}");
    }
}
