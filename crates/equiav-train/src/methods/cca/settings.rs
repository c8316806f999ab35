//! The section `[method]` of a recipe of the CCA family.

use std::num::NonZeroUsize;

use anyhow::ensure;
use equiav_augment::Modality;
use equiav_cca::SpectralSum;
use serde::{Deserialize, Serialize};

/// Rows for each column of a covariance below which it tells of chance more than of clips.
const ROWS_PER_COLUMN: f64 = equiav_cca::FEW_ROWS as f64;

/// Which member of the family is trained.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CcaSettings {
    /// `cca`.
    pub name: String,
    /// What pulls the two codes of a clip together.
    pub agreement: Agreement,
    /// What reconstructs views from codes (DCCAE, CorrAE, DistAE, SplitAE); absent, nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<CodeDecoder>,
    /// On how many training clips the linear CCA behind the heads is fitted, at each evaluation; absent, on all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit_clips: Option<usize>,
}

/// What pulls the two codes of a clip together.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Agreement {
    /// The canonical correlations of both (deep CCA).
    Correlation {
        /// Which number is made of them.
        #[serde(default)]
        sum: Sum,
        /// What is added to the variances, at least 0; 1e-3 or 1e-4 in public code.
        ridge: f64,
        /// How much of the covariances is that of the steps before, in [0, 1): with batches that are too small by
        /// themselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        running: Option<f64>,
        /// How much of the covariance between both is that of pairs, in [0, 1]; the rest is that of all clips of a class
        /// (S-DCCA, which uses 0.2). 1 needs no labels.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        pair_share: f64,
    },
    /// The correlation of each number of a code with its partner alone (CorrAE).
    PerDimension {
        /// What is added to the variances, at least 0.
        ridge: f64,
    },
    /// The squared distance, relative to the codes' lengths (DistAE, first form).
    RelativeDistance,
    /// The squared distance of the codes' directions (DistAE, second form).
    DirectionDistance,
    /// Nothing: autoencoders by themselves, or SplitAE.
    None,
}

/// Which number is made of canonical correlations; public code of deep CCA disagrees about it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sum {
    /// Their sum, as in the paper.
    #[default]
    All,
    /// The sum of the largest ones.
    Top(NonZeroUsize),
    /// The sum of their squares.
    Squares,
}

/// Perceptrons that reconstruct views.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CodeDecoder {
    /// Channels of each hidden layer.
    pub layers: Vec<i64>,
    /// The modality whose code reconstructs all views (SplitAE); absent, each code its own view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Modality>,
}

impl From<Sum> for SpectralSum {
    fn from(sum: Sum) -> Self {
        match sum {
            Sum::All => Self::All,
            Sum::Top(count) => Self::Top(count),
            Sum::Squares => Self::Squares,
        }
    }
}

impl CcaSettings {
    /// Whether classes decide anything.
    pub fn needs_labels(&self) -> bool {
        matches!(self.agreement, Agreement::Correlation { pair_share, .. } if pair_share < 1.0)
    }

    /// Checks the values, for codes of `width` numbers and batches of `batch` clips.
    ///
    /// # Errors
    ///
    /// If one makes no sense, nothing is trained, or a batch is too small for its covariance.
    pub fn check(&self, width: i64, batch: usize) -> anyhow::Result<()> {
        match self.agreement {
            Agreement::Correlation { ridge, running, pair_share, .. } => {
                check_ridge(ridge)?;
                let momentum = running.unwrap_or(0.0);
                ensure!(
                    (0.0..1.0).contains(&momentum),
                    "method.agreement.running = {momentum}: expected 0 to below 1"
                );
                ensure!(
                    (0.0..=1.0).contains(&pair_share),
                    "method.agreement.pair_share = {pair_share}: expected 0 to 1"
                );
                // So many equally weighted rows have the variance of an exponential average.
                let rows = batch as f64 * (1.0 + momentum) / (1.0 - momentum);
                let needed = ROWS_PER_COLUMN * width as f64;
                ensure!(
                    rows >= needed,
                    "run.batch = {batch} makes covariances of {rows:.0} rows for model.head.out = {width} numbers: even \
                     codes that have nothing to do with each other correlate there (help: run.batch = {needed:.0}, \
                     method.agreement.running = {:.2}, or a smaller model.head.out)",
                    (100.0 * (needed - batch as f64) / (needed + batch as f64)).ceil() / 100.0
                );
            }
            Agreement::PerDimension { ridge } => check_ridge(ridge)?,
            Agreement::RelativeDistance | Agreement::DirectionDistance => {}
            Agreement::None => ensure!(
                self.decoder.is_some(),
                "method.agreement is none and there is no method.decoder: nothing would be trained"
            ),
        }
        let layers = self.decoder.iter().flat_map(|decoder| &decoder.layers);
        for channels in layers {
            ensure!(*channels > 0, "method.decoder.layers: {channels} channels are none");
        }
        ensure!(
            self.fit_clips != Some(0),
            "method.fit_clips = 0: nothing can be fitted on no clip"
        );
        Ok(())
    }
}

fn check_ridge(ridge: f64) -> anyhow::Result<()> {
    ensure!(
        ridge >= 0.0 && ridge.is_finite(),
        "method.agreement.ridge = {ridge}: expected at least 0"
    );
    Ok(())
}

fn one() -> f64 {
    1.0
}

fn is_one(share: &f64) -> bool {
    *share == 1.0
}
