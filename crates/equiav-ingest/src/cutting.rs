//! The clips of one file, window by window, and which of them count in the end; decodes nothing itself.

use crate::damage::{Damage, Heard};
use crate::examine::{Streams, Take};
use crate::notes::{Notes, Stop};
use crate::probe::Probe;
use crate::sound::Material;
use crate::windows::Window;
use crate::{Fault, Finding, Reason};

/// The windows of one file, and what is known of it.
pub(crate) struct Cutting<'a, 'b> {
    pub(crate) windows: &'a [Window],
    pub(crate) material: &'a Material<'a>,
    pub(crate) probe: &'a Probe,
    pub(crate) notes: &'a mut Notes<'b>,
}

impl Cutting<'_, '_> {
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
                clip => self.notes.expect(clip)?,
            };
            let silent = clip.is_silent() && !self.notes.clip(Reason::Silent, *window)?;
            let still = clip.is_still() && !self.notes.clip(Reason::Still, *window)?;
            if !silent && !still {
                take(clip).map_err(Stop::Error)?;
                kept.push(window.number);
            }
        }
        let [pictures, sound] = self.notes.expect(streams.finish())?;
        self.without_damage(&pictures, &sound, kept)
    }

    /// As [`cut`](Self::cut) of a file that cannot be read from window `place` on.
    fn broken(
        &mut self,
        place: usize,
        finding: Finding,
        kept: Vec<usize>,
    ) -> Result<Vec<usize>, Stop> {
        self.notes.damaged(&self.windows[place..], &finding.detail)?;
        let sources = ["".to_owned()].into();
        let heard = Heard { complaints: finding.detail, sources };
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
        let damages = [heard, self.notes.expect(seen)?];
        let origin = self.material.clock.origin;
        for damage in damages.into_iter().flatten() {
            if damage.spans.is_none() {
                self.notes.add(Finding::new(Reason::Damaged, damage.said))?;
                continue;
            }
            let concerned = |window: &&Window| damage.concerns(window.span(origin));
            let bad: Vec<Window> = self.windows.iter().filter(concerned).copied().collect();
            if !self.notes.damaged(&bad, &damage.said)? {
                kept.retain(|number| bad.iter().all(|window| window.number != *number));
            }
        }
        Ok(kept)
    }
}
