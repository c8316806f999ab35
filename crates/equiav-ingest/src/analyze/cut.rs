//! The clips of one file, window by window, and which of them count in the end; decodes nothing itself.

use crate::analyze::findings::{FindingLog, Stop};
use crate::analyze::{Streams, Take};
use crate::decode::damage::{Damage, Heard};
use crate::decode::probe::Probe;
use crate::decode::sound::Material;
use crate::decode::windows::Window;
use crate::{Fault, Finding, Reason};

/// The windows of one file, and what is known of it.
pub(crate) struct WindowedFile<'a, 'b> {
    pub(crate) windows: &'a [Window],
    pub(crate) material: &'a Material<'a>,
    pub(crate) probe: &'a Probe,
    pub(crate) log: &'a mut FindingLog<'b>,
}

impl WindowedFile<'_, '_> {
    /// Hands the clips of all windows to `take`; the numbers of the windows that count in the end.
    pub(crate) fn cut(
        &mut self,
        mut streams: Streams,
        take: &mut Take<'_>,
    ) -> Result<Vec<usize>, Stop> {
        let mut kept = Vec::new();
        for (place, window) in self.windows.iter().enumerate() {
            let clip = match streams.clip(*window) {
                // What was cut before it is whole.
                Err(Fault::Finding(finding))
                    if place > 0 && finding.reason != Reason::TimeLimit =>
                {
                    return self.broken(place, finding, kept);
                }
                clip => self.log.expect(clip)?,
            };
            let silent = clip.is_silent() && !self.log.clip(Reason::Silent, *window)?;
            let still = clip.is_still() && !self.log.clip(Reason::Still, *window)?;
            if !silent && !still {
                take(clip).map_err(Stop::Error)?;
                kept.push(window.number);
            }
        }
        let [pictures, sound] = self.log.expect(streams.finish())?;
        self.without_damage(&pictures, &sound, kept)
    }

    /// As [`cut`](Self::cut) of a file that cannot be read from window `place` on.
    fn broken(
        &mut self,
        place: usize,
        finding: Finding,
        kept: Vec<usize>,
    ) -> Result<Vec<usize>, Stop> {
        self.log.damaged(&self.windows[place..], &finding.detail)?;
        let sources = ["".to_owned()].into();
        let heard = Heard { complaints: finding.detail, sources, decoder_lines: 0 };
        self.without_damage(&heard, &Heard::default(), kept)
    }

    /// Those of `kept` in which nothing is damaged, or that the policy keeps all the same.
    fn without_damage(
        &mut self,
        pictures: &Heard,
        sound: &Heard,
        mut kept: Vec<usize>,
    ) -> Result<Vec<usize>, Stop> {
        let heard = Damage::to_sound(self.probe, sound);
        let seen = match self.probe.video {
            Some(_) => Damage::to_picture(self.material, self.probe, pictures),
            None => Ok(None),
        };
        let damages = [heard, self.log.expect(seen)?];
        let origin = self.material.clock.origin;
        for damage in damages.into_iter().flatten() {
            if damage.spans.is_none() {
                self.log.add(Finding::new(Reason::Damaged, damage.said))?;
                continue;
            }
            let concerned = |window: &&Window| damage.concerns(window.span(origin));
            let bad: Vec<Window> = self.windows.iter().filter(concerned).copied().collect();
            if !self.log.damaged(&bad, &damage.said)? {
                kept.retain(|number| bad.iter().all(|window| window.number != *number));
            }
        }
        Ok(kept)
    }
}
