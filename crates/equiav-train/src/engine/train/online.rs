//! A few held-out clips measured every so many steps, between the evaluations of whole lists.
//!
//! The steps are counted and the clips keyed by the seed, so that a resumed run measures what an uninterrupted one does,
//! and no weight depends on whether anything was measured.

use std::sync::Arc;
use std::time::Instant;

use equiav_data::{Dataset, LoaderOptions};

use super::super::compute;
use super::super::method::Method;
use super::run::Run;
use crate::callback::{Callback, Event};
use crate::clips::held_out::{self, HeldOutClips};
use crate::clips::{HeldOut, RunClips};
use crate::distributed::World;
use crate::recipe::Shared;
use crate::run_dir::State;

/// What a run measures between two evaluations.
#[derive(Debug)]
pub(super) struct OnlineEvaluation<'a> {
    /// Steps between two measurements.
    every: u64,
    list: &'a Arc<Dataset>,
    /// How many clips each rank reads, and how many go forward at a time.
    share: (usize, usize),
    options: LoaderOptions,
    /// What was read, once it was needed.
    read: Option<HeldOutClips>,
}

impl<'a> OnlineEvaluation<'a> {
    /// None where the recipe asks for none, `method` has nothing to measure, or there is no list with clips for a pair.
    pub(super) fn of<M: Method>(
        method: &M,
        clips: &'a RunClips,
        recipe: Shared<'_>,
        world: &World,
    ) -> Option<Self> {
        let (_, list) = clips.lists.first()?;
        let wanted = recipe.online.clips.min(list.len());
        let part = recipe.run.micro_batch.unwrap_or(world.share(recipe.run.batch));
        let share = held_out::share(wanted, clips.batch.min(part), world)?;
        let measured = share.0 * world.size();
        let every = recipe.online.interval(measured, method.online_cost()?, recipe.run.batch)?;
        Some(Self { every, list, share, options: clips.options, read: None })
    }

    fn is_due(&self, step: u64) -> bool {
        step > 0 && step.is_multiple_of(self.every)
    }

    /// The clips, read from the list when they are first asked for.
    fn clips(&mut self, world: &World) -> anyhow::Result<&HeldOutClips> {
        let read = match self.read.take() {
            Some(read) => read,
            None => HeldOutClips::read(self.list, self.share, self.options, world)?,
        };
        Ok(self.read.insert(read))
    }
}

impl<M: Method> Run<'_, M> {
    /// Measures the held-out clips if the last step was one after which that is due.
    pub(super) fn measure_online(&mut self, callback: &mut dyn Callback) -> anyhow::Result<()> {
        let State { step, epoch, .. } = self.progress;
        let Some(online) = self.online.as_mut().filter(|online| online.is_due(step)) else {
            return Ok(());
        };
        let world = self.state.world.clone();
        let clips = online.clips(&world)?;
        let started = Instant::now();
        let held_out = HeldOut::new(clips, &world);
        let (recipe, method) = (self.recipe, &self.state.method);
        let measure = || method.evaluate_online(&held_out);
        let metrics = compute::within(|| compute::advice(recipe), measure)?;
        if let Some(loggers) = &mut self.loggers {
            loggers.online(step, epoch, (&metrics, started.elapsed()))?;
        }
        let collapsed = self.collapse.note_held_out(step, &metrics);
        callback.on_event(&Event::Measured { step, metrics });
        match collapsed.filter(|_| recipe.run.stop_collapsed) {
            Some(collapsed) => self.stop_collapsed(&collapsed, callback),
            None => Ok(()),
        }
    }
}
