//! Maps drawn over what they are of: a picture, or a whole video.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use equiav_augment::Image;
use equiav_data::{read_picture_as, read_sound, sheet};
use equiav_frontend::{FrontEnd, Waveform};
use equiav_ingest::VideoWriter;
use equiav_search::embed::{Moment, Video, find_ffmpeg};
use equiav_train::eval::localize::{Localizer, PlaceMap};
use equiav_train::{Callback, Event};

use crate::output::progress::Progress;

/// What is drawn, and where.
pub(crate) struct Overlay<'a> {
    pub(crate) localizer: &'a Localizer<'a>,
    pub(crate) out: &'a Path,
}

impl Overlay<'_> {
    /// Draws the picture `image` with the map of the sound `audio`; says what is seen.
    pub(crate) fn clip(&self, audio: &Path, image: &Path) -> anyhow::Result<String> {
        let out = self.out.display();
        ensure!(self.ends_in("png"), "{out}: expected a .png; an .mp4 is drawn of a --video");
        self.ensure_other_than(image)?;
        let picture = read_picture_as(image, self.localizer.orientation())?;
        self.still(audio, &read_sound(audio)?, &picture)
    }

    /// Draws `video`, the frame in its middle or `per_second` frames of each second; says what is seen.
    pub(crate) fn video(
        &self,
        video: &Path,
        front_end: &FrontEnd,
        per_second: u64,
        progress: &mut Progress,
    ) -> anyhow::Result<String> {
        let whole = self.ends_in("mp4");
        ensure!(whole || self.ends_in("png"), "{}: expected a .png or .mp4", self.out.display());
        self.ensure_other_than(video)?;
        let ffmpeg = find_ffmpeg()?;
        let opened = Video::open(&ffmpeg, video, front_end)?;
        if !whole {
            let Moment { sound, picture } = opened.middle()?;
            return self.still(video, &sound, &picture);
        }

        let step = 1_000 / per_second;
        let total = opened.count(step);
        let (mut film, mut cosines, mut lit) = (None, Vec::new(), 0);
        opened.moments(step, &mut |Moment { sound, picture }| {
            let map = self.map(video, &sound, &picture)?;
            let frame = map.over(&picture);
            let film = match &mut film {
                Some(film) => film,
                None => {
                    let (size, sound) = (frame.dimensions().into(), opened.soundtrack());
                    film.insert(VideoWriter::create(&ffmpeg, self.out, size, step, &sound)?)
                }
            };
            film.add(&frame)?;
            cosines.push(map.similarity);
            lit += usize::from(map.lit);
            progress.on_event(&Event::Preparing {
                what: "drawing".to_owned(),
                done: cosines.len(),
                total,
            });
            Ok(())
        })?;
        let Some(film) = film else { bail!("{}: no frame", video.display()) };
        film.finish()?;
        let lowest = cosines.iter().copied().fold(f32::INFINITY, f32::min);
        let highest = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let count = cosines.len();
        Ok(format!("{count} frames, {lit} lit: cosines from {lowest:.3} to {highest:.3}"))
    }

    /// Refuses to write over what is read, or in the place of a folder.
    fn ensure_other_than(&self, read: &Path) -> anyhow::Result<()> {
        let out = self.out.canonicalize();
        let same = out.is_ok_and(|out| read.canonicalize().is_ok_and(|read| read == out));
        ensure!(!same, "{}: is what is to be drawn: name another --out", self.out.display());
        ensure!(!self.out.is_dir(), "{}: is a folder", self.out.display());
        Ok(())
    }

    fn ends_in(&self, ending: &str) -> bool {
        self.out.extension().is_some_and(|end| end.eq_ignore_ascii_case(ending))
    }

    fn still(&self, file: &Path, sound: &Waveform, picture: &Image) -> anyhow::Result<String> {
        let map = self.map(file, sound, picture)?;
        sheet::save(&map.over(picture), self.out)?;
        let word = if map.lit { "lit" } else { "dark, the sound fits nothing here" };
        let (cosine, greatest) = (map.similarity, map.greatest());
        Ok(format!("{word}: cosine {cosine:.3}, greatest value of the map {greatest:.3}"))
    }

    fn map(&self, file: &Path, sound: &Waveform, picture: &Image) -> anyhow::Result<PlaceMap> {
        self.localizer.map(sound, picture).with_context(|| file.display().to_string())
    }
}
