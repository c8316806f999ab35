//! The augmentations by themselves: a spectrogram, its augmented view, and the parameter vector that
//! says what was done. No tensor library is needed.

use equiav_augment::{AudioAugment, AudioVector, Modality, Purpose, Spectrogram, stream};
use ndarray::Array2;

fn main() {
    let tone =
        |(frame, mel): (usize, usize)| (frame as f32 / 20.0).sin() * (mel as f32 / 9.0).cos();
    let plain = Spectrogram::new(Array2::from_shape_fn((256, 64), tone));

    let augment = AudioAugment::corrected(AudioVector::P24);
    // Seed, epoch and clip decide the draw: run it again and the same numbers come out.
    let mut rng = stream(7, 0, 42, Purpose::Augmentation(Modality::AUDIO));
    let views = augment.views(plain, &mut rng);

    for (slot, value) in augment.slots().iter().zip(views.vector.as_slice()) {
        println!("{:28} {value:8.4}", slot.name);
    }
    let (before, after) = (views.plain.values(), views.augmented.values());
    let changed = after.iter().zip(before).filter(|(after, before)| after != before).count();
    println!("{changed} of {} values changed", before.len());
}
