//! A parameter vector in words, for people: made from its slots, so every family has them by itself.

use crate::Slot;

/// What the draw behind `vector` does, a phrase for each thing that it does; none if it does nothing.
///
/// A flag begins a phrase, and the slots up to the next flag are its numbers: `crop: top 0.12, left
/// 0.30, height 0.55, width 0.61`. Numbers that cannot vary are left out.
///
/// # Panics
///
/// If there are not as many numbers as slots.
#[track_caller]
pub fn phrases(slots: &[Slot], vector: &[f32]) -> Vec<String> {
    let (n_slots, n_values) = (slots.len(), vector.len());
    assert_eq!(n_slots, n_values, "phrases: {n_slots} slots for {n_values} numbers");
    let numbers: Vec<(&Slot, f32)> = slots.iter().zip(vector.iter().copied()).collect();
    let parts = numbers.chunk_by(|_, (slot, _)| flag(slot).is_none());
    parts.filter_map(phrase).collect()
}

/// The phrase of a flag and what follows it; none where it is off.
fn phrase(part: &[(&Slot, f32)]) -> Option<String> {
    let ((first, on), numbers) = part.split_first()?;
    let title = flag(first)?;
    if *on == 0.0 {
        return None;
    }
    let vary = numbers.iter().filter(|(slot, _)| slot.min < slot.max);
    let (choices, amounts): (Vec<_>, Vec<_>) = vary.partition(|(slot, _)| !slot.choices.is_empty());
    let chosen: Vec<&str> = choices.iter().map(|(slot, value)| choice(slot, *value)).collect();
    let mut words = Vec::new();
    if !chosen.is_empty() {
        words.push(chosen.join(" > "));
    }
    words.extend(amounts.iter().map(|(slot, value)| amount(title, slot, *value)));
    if words.is_empty() {
        Some(title.to_owned())
    } else {
        Some(format!("{title}: {}", words.join(", ")))
    }
}

/// What a flag switches on; none for other slots.
fn flag(slot: &Slot) -> Option<&'static str> {
    slot.name.strip_suffix(" on")
}

/// What `value` stands for.
fn choice(slot: &Slot, value: f32) -> &'static str {
    let last = slot.choices.len() - 1;
    let share = (value - slot.min) / (slot.max - slot.min);
    slot.choices[((share * last as f32).round() as usize).min(last)]
}

/// A name and a number, with what `title` says already left out.
fn amount(title: &str, slot: &Slot, value: f32) -> String {
    let name = slot.name.strip_suffix(" - 1").unwrap_or(slot.name);
    let name = name.strip_prefix(title).unwrap_or(name).trim_start();
    let number = match slot {
        Slot { max, .. } if *max > 10.0 => format!("{value:.0}"),
        Slot { min, .. } if *min < 0.0 => format!("{value:+.2}"),
        _ => format!("{value:.2}"),
    };
    if name.is_empty() { number } else { format!("{name} {number}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AudioAugment, AudioVector, Profile, VisualAugment, VisualVector};

    #[test]
    fn flags_begin_phrases_and_constants_are_left_out() {
        let slots = AudioAugment::corrected(AudioVector::P24).slots();
        let mut vector = vec![0.0; 24];
        (vector[12], vector[17], vector[18]) = (1.0, 0.25, -0.1);
        vector[23] = 1.0;
        let expected = ["jitter: brightness +0.25, contrast -0.10", "flip"];
        assert_eq!(phrases(&slots, &vector), expected);
        (vector[5], vector[6]) = (1.0, -0.5);
        assert_eq!(phrases(&slots, &vector)[0], "time shift: -0.50");
        assert_eq!(phrases(&slots, &[0.0; 24]), [""; 0]);
    }

    #[test]
    fn choices_are_named_and_published_indices_are_whole() {
        let third = 1.0 / 3.0;
        let slots = VisualAugment::corrected(VisualVector::P16).slots();
        let mut vector = vec![0.0; 16];
        vector[5..10].copy_from_slice(&[1.0, 2.0 * third, 0.0, 1.0, third]);
        let order = "saturation > brightness > hue > contrast";
        assert!(
            phrases(&slots, &vector)[0].starts_with(&format!("jitter: {order}, brightness +0"))
        );

        let slots = AudioAugment::new(Profile::Published, AudioVector::P7).slots();
        let words = phrases(&slots, &[1.0, 100.0, 230.0, 16.0, 48.0, 1.0, -0.25]);
        assert!(words[0].starts_with("SpecAugment: time mask start 100, time mask end 230"));
    }

    #[test]
    fn every_family_has_a_flag_of_its_own() {
        let audio = AudioAugment::corrected(AudioVector::P26).slots();
        let visual = VisualAugment::corrected(VisualVector::P21).slots();
        for (slots, flags) in [(audio, 7), (visual, 7)] {
            assert!(flag(&slots[0]).is_some(), "a vector begins with a flag");
            assert_eq!(phrases(&slots, &vec![1.0; slots.len()]).len(), flags);
        }
    }
}
