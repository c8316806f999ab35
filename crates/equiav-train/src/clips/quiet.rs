//! Sounds of which no picture is: digital silence and white noise, as long as a front end listens.

use equiav_frontend::{FrontEnd, Waveform};

use super::hash_noise;

/// White noise of `peak`, a share of full scale, that fills `front_end`; 0 is digital silence. Equal seeds give equal noise.
pub(crate) fn white_noise(front_end: &FrontEnd, peak: f32, seed: u32) -> Waveform {
    let rate = front_end.sample_rate.unwrap_or(16_000);
    // A frame is 25 ms and begins every 10 ms.
    let count = (front_end.frames + 2) * rate as usize / 100;
    let noise = hash_noise(u64::from(seed), count);
    Waveform { samples: noise.into_iter().map(|sample| peak * sample).collect(), rate }
}

/// The peak of a level in dB of full scale.
pub(crate) fn peak(decibels: f64) -> f32 {
    10f64.powf(decibels / 20.0) as f32
}
