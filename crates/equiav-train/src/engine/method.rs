//! What a method of training is: two phases over named tensors. Everything else of a step is the engine's.
//!
//! A contrastive loss compares every row of the global batch, memory allows only a part of it in the networks at
//! a time, and a covariance wants more digits than the networks compute in. So a method first *embeds*, batch part
//! by batch part, and then computes its *terms* once, over the rows of all parts and all ranks. Gradients go the
//! same way back (GradCache, Gao et al., arXiv 2101.06983).

use std::collections::BTreeMap;

use equiav_augment::Modality;
use equiav_loss::Contrast;
use tch::{Tensor, nn};

use super::gather::Gathered;
use crate::callback::Callback;
use crate::clips::{DeviceBatch, EvaluationLists, HeldOut};
use crate::metrics::{Metric, Metrics};

/// Tensors by name: `[rows, ..]` with one row for each clip, or `[]` for a learned number that the terms use.
pub type Named = BTreeMap<String, Tensor>;

/// How the rows of one name meet those of other ranks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gather {
    /// The rows of all ranks, through which gradients flow back to each.
    WithGradient,
    /// The rows of all ranks, as constants.
    Constant,
    /// This rank's rows alone.
    Own,
}

/// One term of the loss.
#[derive(Debug)]
pub struct Term {
    /// What it is called, in the log and among the weights of the recipe.
    pub name: String,
    /// The loss, `[]`, on the graph.
    pub loss: Tensor,
    /// The share of rows that it has solved, in [0, 1], `[]`, where that means something.
    pub accuracy: Option<Tensor>,
}

impl Term {
    /// The term called `name` of a contrastive loss or a classifier's.
    pub fn contrast(name: impl Into<String>, contrast: Contrast) -> Self {
        Self { name: name.into(), loss: contrast.loss, accuracy: Some(contrast.top1) }
    }
}

/// What the terms of one step may look at beside embeddings.
#[derive(Clone, Copy, Debug)]
pub struct StepContext<'a> {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// Steps before this one.
    pub step: u64,
    /// The clips whose rows are compared: labels, places in the list.
    pub batch: &'a DeviceBatch,
}

/// What a method needs of the batches that it embeds; checked before the first step.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// The modalities of a batch.
    pub modalities: Vec<Modality>,
    /// Whether augmented views and their parameter vectors must be there.
    pub augmented: bool,
    /// Whether labels must be there.
    pub labels: bool,
}

/// Parameters that are not trained as the recipe says for all.
pub struct ParamGroup {
    /// Whether a parameter of that name belongs to the group.
    pub matches: Box<dyn Fn(&str) -> bool>,
    /// What the learning rate is multiplied by.
    pub lr_factor: f64,
    /// The decoupled weight decay; none for the recipe's `optimizer.weight_decay`.
    pub weight_decay: Option<f64>,
    /// Whether it is not trained at all, and absent from the optimizer's state.
    pub frozen: bool,
}

/// A method of training: what a batch becomes, and what that costs.
///
/// The engine calls [`embed`](Self::embed) under autocast for each part of the batch that memory allows, gathers
/// the rows of all ranks as [`gather`](Self::gather) says, calls [`terms`](Self::terms) once in fp32, weighs the
/// terms by the recipe, and hands gradients back. Saving, resuming, the EMA, the schedule, skipped steps and the
/// log are the engine's as well.
pub trait Method {
    /// What batches must hold.
    fn needs(&self) -> Needs;

    /// Every variable, under the name by which it is saved.
    fn variables(&self) -> &nn::VarStore;

    /// Phase 1: what becomes of a part of the batch, on the graph; the same names for every part.
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    fn embed(&self, batch: &DeviceBatch) -> anyhow::Result<Named>;

    /// How the rows of `name` meet those of other ranks.
    fn gather(&self, name: &str) -> Gather {
        let _ = name;
        Gather::WithGradient
    }

    /// Phase 2, once a step: the terms of the loss between this rank's `own` rows and `all`.
    ///
    /// The loss of a step is the weighted sum of the terms, and the mean over ranks.
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    fn terms(
        &mut self,
        own: &Named,
        all: &Gathered,
        step: &StepContext<'_>,
    ) -> anyhow::Result<Vec<Term>>;

    /// The names of all terms that there may be, which `[objective.weights]` of the recipe may weigh: a weight of any
    /// other is refused before the first step. Empty where any name will do.
    fn term_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// Numbers that are logged beside the terms, each `[]`; computed without gradient. Those called `spread_NAME`, as
    /// [`spread`](super::spread) has them, are watched: a run of which one stays 0 for a twentieth of its steps has
    /// collapsed and ends there.
    fn measures(&self, own: &Named) -> Named {
        let _ = own;
        Named::new()
    }

    /// Whether terms are means over rows that do not see each other, as of a classifier: a batch in parts then
    /// needs one pass through the networks instead of two.
    fn rows_are_independent(&self) -> bool {
        false
    }

    /// Whether a step may leave variables without a gradient.
    fn leaves_variables_unused(&self) -> bool {
        true
    }

    /// Takes up what training starts from, before the first step of a new run.
    ///
    /// # Errors
    ///
    /// If it cannot be read or does not fit.
    fn start(&mut self, callback: &mut dyn Callback) -> anyhow::Result<()> {
        let _ = callback;
        Ok(())
    }

    /// What the method carries from step to step beside its variables: queues, centroids, running covariances.
    /// It is saved with every checkpoint, and equal on all ranks.
    fn state(&self) -> Named {
        Named::new()
    }

    /// Takes up a saved [`state`](Self::state).
    ///
    /// # Errors
    ///
    /// If it is not of this method.
    fn load(&mut self, state: Named) -> anyhow::Result<()> {
        anyhow::ensure!(state.is_empty(), "the checkpoint holds state of another method");
        Ok(())
    }

    /// Parameters that are trained otherwise than the rest; the first group that matches counts.
    fn groups(&self) -> Vec<ParamGroup> {
        Vec::new()
    }

    /// Called before the first step of each epoch, and after resuming within one.
    ///
    /// # Errors
    ///
    /// If libtorch fails or clips cannot be read.
    fn epoch_start(&mut self, epoch: &mut Epoch<'_>) -> anyhow::Result<()> {
        let _ = epoch;
        Ok(())
    }

    /// Called before a batch is embedded, once a step, with the whole batch of this rank: for what is drawn for all of it,
    /// by a stream that epoch and step key.
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    fn step_start(&mut self, step: &StepContext<'_>) -> anyhow::Result<()> {
        let _ = step;
        Ok(())
    }

    /// Called after each update that was made.
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    fn step_end(&mut self, step: &StepContext<'_>) -> anyhow::Result<()> {
        let _ = step;
        Ok(())
    }

    /// Measures `lists`, with the EMA of the weights where the recipe keeps one; called on all ranks, with the
    /// same result on all.
    ///
    /// # Errors
    ///
    /// If no clip of a list can be read, or a rank does not take part.
    fn evaluate(&self, lists: &EvaluationLists<'_>) -> anyhow::Result<Metrics>;

    /// What a clip takes in [`evaluate_online`](Self::evaluate_online), at most, in units of what a clip of a step takes:
    /// 0.5 where it goes forward as in training, since the way back takes no less. None, as unless a method says
    /// otherwise, where there are no embeddings to measure: then no clip is read for it.
    fn online_cost(&self) -> Option<f64> {
        None
    }

    /// Measures a few held-out clips every `evaluation.online_every` steps, with the weights as they are trained, EMA or
    /// not; called on all ranks, with the same result on all. It must change nothing and draw from no stream that
    /// training draws from. What is called `spread_NAME` is watched as in [`measures`](Self::measures);
    /// [`online::measures`](crate::eval::online::measures) has the usual ones.
    ///
    /// # Errors
    ///
    /// If libtorch fails, or a rank does not take part.
    fn evaluate_online(&self, held_out: &HeldOut<'_>) -> anyhow::Result<Vec<Metric>> {
        let _ = held_out;
        Ok(Vec::new())
    }

    /// Whether the variable of that name counts where gradients of terms are compared
    /// (`run.gradient_cosines_every`); those that only one of them reaches never do.
    fn is_shared(&self, variable: &str) -> bool {
        let _ = variable;
        true
    }
}

/// An epoch that begins.
pub struct Epoch<'a> {
    /// Which one, counted from 0.
    pub number: u64,
    /// Whether it is taken up again after so many of its clips, of all ranks.
    pub used: usize,
    /// The lists that are measured, and the clips that are trained on.
    pub lists: EvaluationLists<'a>,
    /// To be filled: the names of variables that begin anew with this epoch, whose moments the optimizer is to forget.
    pub restarted: Vec<String>,
}
