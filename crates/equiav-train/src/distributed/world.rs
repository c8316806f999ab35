//! The processes that train one network: who they are, and what they agree on.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use equiav_torch::{Group, GroupError, ProcessRole, Reduce, Solo, Timeouts};
use tch::{Device, Kind, Tensor};

use crate::recipe::{self, Checked, Sections};

/// The processes that train one network, of which this is one.
///
/// Each makes the same calls in the same order. The first, of rank 0, leads: it alone writes.
#[derive(Clone, Debug)]
pub struct World {
    /// What connects them.
    pub group: Arc<dyn Group>,
    /// Which process of its host this is, from 0: the GPU it takes.
    pub local_rank: usize,
}

impl World {
    /// This process alone.
    pub fn alone() -> Self {
        Self { group: Arc::new(Solo), local_rank: 0 }
    }

    /// Those that a launcher has started, as the environment says; see [`ProcessRole`].
    ///
    /// # Errors
    ///
    /// If the environment contradicts itself, or they do not meet within the limit.
    pub fn from_environment(limits: Timeouts) -> anyhow::Result<Self> {
        let rendezvous = ProcessRole::from_environment()?;
        Ok(Self { group: rendezvous.join(limits)?, local_rank: rendezvous.local_rank() })
    }

    /// As [`from_environment`](Self::from_environment), with the usual limits; this process alone where no launcher has
    /// started it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn launched() -> anyhow::Result<Self> {
        Self::from_environment(Timeouts::USUAL)
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.group.world()
    }

    /// Whether this is the one that writes.
    pub fn is_main(&self) -> bool {
        self.group.rank() == 0
    }

    /// Makes sure that a `batch` can be dealt out to all of them.
    pub(crate) fn ensure_even(&self, batch: usize) -> anyhow::Result<()> {
        let world = self.size();
        ensure!(
            batch.is_multiple_of(world),
            "run.batch = {batch} is the batch of all processes together and cannot be dealt out to \
             {world} (help: --set run.batch={})",
            batch.next_multiple_of(world)
        );
        Ok(())
    }

    /// The share of this process in `all`, clips or rows of a step.
    pub(crate) fn share(&self, all: usize) -> usize {
        all / self.size()
    }

    /// What is to be said of gradients on `device` that these processes average, if anything.
    pub(crate) fn warning_of_gradients(&self, device: Device) -> Option<String> {
        let staged = device.is_cuda() && self.size() > 1 && !self.group.carries_gpus();
        staged.then(|| {
            "gradients of GPUs are averaged through the host's memory, over Gloo, after each pass: a build \
             with the feature `nccl` averages them on the GPUs, during it (docs/distributed.md)"
                .to_owned()
        })
    }

    /// How many of them run on this host.
    pub(crate) fn on_this_host(&self) -> Result<usize, GroupError> {
        if self.size() == 1 {
            return Ok(1);
        }
        // Of one start of one kernel; the name tells containers of it apart that share nothing else.
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let host = read("/proc/sys/kernel/random/boot_id") + &read("/proc/sys/kernel/hostname");
        let hosts = self.group.gather_text(&host, "hosts")?;
        Ok(hosts.into_iter().filter(|other| *other == host).count())
    }

    /// Makes sure that all were given the same recipe.
    pub(crate) fn ensure_same_recipe<S: Sections>(
        &self,
        recipe: &Checked<S>,
    ) -> anyhow::Result<()> {
        let all = self.group.gather_text(&recipe.to_toml(), "recipes")?;
        for (rank, theirs) in all.iter().enumerate() {
            let keys = recipe::differing_keys(theirs, recipe)
                .with_context(|| format!("in the recipe of rank {rank}"))?;
            if !keys.is_empty() {
                let (own, keys) = (self.group.rank(), keys.join(", "));
                bail!("ranks {own} and {rank} were given different recipes (different: {keys})");
            }
        }
        Ok(())
    }

    /// Makes sure that all see the same clips in every one of the `lists`, by name and hash.
    pub(crate) fn ensure_same_lists<'a>(
        &self,
        lists: impl Iterator<Item = (&'a str, String)>,
    ) -> anyhow::Result<()> {
        let own: Vec<String> = lists.map(|(name, digest)| format!("{name}: {digest}")).collect();
        let all = self.group.gather_text(&own.join("\n"), "lists of clips")?;
        for (rank, theirs) in all.iter().enumerate() {
            let differs = |(own, theirs): &(&String, &str)| own.as_str() != *theirs;
            if let Some((own, theirs)) = own.iter().zip(theirs.lines()).find(differs) {
                let this = self.group.rank();
                bail!(
                    "ranks {this} and {rank} have different clips: {own} here, {theirs} there \
                     (help: the same files for all processes)"
                );
            }
        }
        Ok(())
    }

    /// The largest that any of them brings.
    pub(crate) fn largest(&self, own: i64, purpose: &str) -> Result<i64, GroupError> {
        let mut number = Tensor::from_slice(&[own]);
        self.group.all_reduce(&mut number, Reduce::Max, purpose)?;
        Ok(number.int64_value(&[0]))
    }

    /// The mean over all of them, of each of `numbers`.
    pub(crate) fn mean(&self, numbers: &mut [f64], purpose: &str) -> Result<(), GroupError> {
        if self.size() == 1 {
            return Ok(());
        }
        let mut sum = Tensor::from_slice(numbers);
        self.group.all_reduce(&mut sum, Reduce::Sum, purpose)?;
        let mean = sum / self.size() as f64;
        mean.to_kind(Kind::Double).copy_data(numbers, numbers.len());
        Ok(())
    }

    /// What the leader's `work` gives, for all of them; the others wait for it as long as the leader lives,
    /// and end with its error.
    pub(crate) fn rank0_then_broadcast<T: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        purpose: &str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if self.size() == 1 {
            return work();
        }
        if self.is_main() {
            let result = self.abort_on_error(work)?;
            self.group.await_all(purpose)?;
            self.group.gather_text(&serde_json::to_string(&result)?, purpose)?;
            return Ok(result);
        }
        self.group.await_all(purpose)?;
        let texts = self.group.gather_text("", purpose)?;
        serde_json::from_str(&texts[0]).with_context(|| format!("{purpose}, from rank 0"))
    }

    /// Does `work`, whose error the other processes are told, so that they end with it and at once; a failure
    /// between processes they know by themselves.
    pub(crate) fn abort_on_error<T>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        /// Tells of a panic as well.
        struct OnPanic<'a>(&'a dyn Group);
        impl Drop for OnPanic<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    self.0.give_up("a panic, see its own output");
                }
            }
        }
        let _on_panic = OnPanic(self.group.as_ref());
        let result = work();
        if let Err(error) = &result
            && !error.chain().any(|cause| cause.is::<GroupError>())
        {
            self.group.give_up(&format!("{error:#}").replace('\n', " "));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn a_lone_process_agrees_with_itself() {
        let alone = World::alone();
        let recipe = Recipe::load("quick".as_ref(), &[]).expect("a recipe");
        alone.ensure_same_recipe(&recipe).expect("one recipe");
        assert_eq!(alone.largest(-3, "test").expect("a number"), -3);
        assert_eq!(alone.on_this_host().expect("a number"), 1);
        assert_eq!(alone.rank0_then_broadcast("test", || Ok(7)).expect("a number"), 7);
        let mut numbers = [1.5, f64::NAN];
        alone.mean(&mut numbers, "test").expect("numbers");
        assert_eq!(numbers[0], 1.5);
        assert!(alone.is_main() && alone.share(8) == 8);
    }
}
