//! `equiav cca`: canonical correlations of two files of rows.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use equiav_cca::{
    CorrelationInterval, CoupledPursuit, FEW_ROWS, HeldOutCorrelations, LinearCca, Pursuit,
    RobustForm, held_out_correlations, read_rows, split_rows,
};
use equiav_eval::Bootstrap;
use serde_json::{Value, json};
use tch::Tensor;

use crate::output::{errln, outln, remark};

/// With less held-out rows, an interval would be most of what there can be.
const FEWEST_HELD_OUT: usize = 10;
/// Components that are told where nothing else is asked for.
const USUAL_COMPONENTS: i64 = 10;

/// Measure how much two files of embeddings have in common, by canonical correlations
///
/// Row i of both files belongs together. Linear maps of both are fitted on a part of the rows, drawn by the seed, so
/// that their outputs correlate as much as they can; what is told is how much those of the other rows do, since fitted
/// rows correlate even where nothing is in common. Intervals hold 95 % of 1,000 resamples of the held-out rows. Files
/// are .npy or .safetensors with rows of 16-, 32- or 64-bit floats; FILE.safetensors:NAME takes one tensor of several.
#[derive(clap::Args)]
pub(crate) struct CcaCommand {
    /// Rows of one kind
    embeddings_a: String,

    /// Rows of the other kind
    embeddings_b: String,

    /// How many pairs of outputs; 10, or as many as there are, if not given
    #[arg(long, value_name = "K")]
    components: Option<i64>,

    /// What is added to the variance of every direction, as a share of the mean variance of a column
    #[arg(long, value_name = "R", default_value_t = 1e-3)]
    ridge: f64,

    /// Take gross errors of single entries apart before: by one pursuit of both files side by side, or by projections
    /// that are drawn toward each other
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "stacked",
          value_name = "FORM")]
    robust: Option<RobustChoice>,

    /// The share of the rows that are measured and not fitted
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    held_out: f64,

    /// What rows are drawn with
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Keep the fitted model in this file
    #[arg(long, value_name = "FILE.safetensors")]
    out: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How gross errors are taken apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum RobustChoice {
    /// One pursuit of both files side by side
    Stacked,
    /// Projections that are drawn toward each other
    Coupled,
}

impl RobustChoice {
    fn form(self) -> RobustForm {
        match self {
            Self::Stacked => RobustForm::Stacked(Pursuit::usual()),
            Self::Coupled => RobustForm::Coupled(CoupledPursuit::usual()),
        }
    }
}

impl CcaCommand {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        self.ensure_options()?;
        let (a, b) = (read_rows(&self.embeddings_a)?, read_rows(&self.embeddings_b)?);
        let rows = self.rows(&a, &b)?;
        let [fit, held] = split_rows(rows, self.held_out, self.seed);
        let components = self.ensure_enough(&a, &b, fit.len(), held.len())?;
        let model = self.fit(&rows_of(&a, &fit), &rows_of(&b, &fit))?.truncated(components);
        let how = Bootstrap::usual(self.seed);
        let (held_a, held_b) = (rows_of(&a, &held), rows_of(&b, &held));
        let measured = held_out_correlations(&model, &held_a, &held_b, &how)?;
        if let Some(out) = &self.out {
            equiav_data::atomic_write(out, &model.to_safetensors()?)
                .with_context(|| format!("writing {}", out.display()))?;
        }
        if self.json {
            outln!("{}", self.as_json(&model, &measured, [fit.len(), held.len()]))?;
        } else {
            self.print(&model, &measured, [fit.len(), held.len()])?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses options that no file could suit.
    fn ensure_options(&self) -> anyhow::Result<()> {
        let (share, ridge) = (self.held_out, self.ridge);
        ensure!(
            share > 0.0 && share < 1.0,
            "--held-out {share}: expected a share between 0 and 1, such as 0.2"
        );
        ensure!(
            ridge.is_finite() && ridge >= 0.0,
            "--ridge {ridge}: expected 0 or above, such as 0.001"
        );
        if let Some(out) = &self.out {
            let named = out.extension().is_some_and(|ending| ending == "safetensors");
            ensure!(named, "{}: expected a name that ends in .safetensors", out.display());
        }
        Ok(())
    }

    /// The rows that both files have.
    fn rows(&self, a: &Tensor, b: &Tensor) -> anyhow::Result<usize> {
        let (rows, others) = (a.size()[0], b.size()[0]);
        ensure!(
            rows == others,
            "{} has {rows} rows, {} has {others}: row i of both must belong together; help: write both from one list",
            self.embeddings_a,
            self.embeddings_b
        );
        Ok(usize::try_from(rows)?)
    }

    /// Refuses rows that would say nothing, warns of those that say little; how many components there will be.
    fn ensure_enough(
        &self,
        a: &Tensor,
        b: &Tensor,
        fit: usize,
        held: usize,
    ) -> anyhow::Result<i64> {
        let (p, q) = (a.size()[1], b.size()[1]);
        let files = format!("{}, {}", self.embeddings_a, self.embeddings_b);
        let least = usize::try_from(p + q + 1)?;
        ensure!(
            fit > least,
            "{files}: {fit} rows to fit {p} + {q} columns always correlate perfectly, related or not: more than {least} \
             are needed; help: bring more rows, or fewer columns by a PCA of each file"
        );
        ensure!(
            held >= FEWEST_HELD_OUT,
            "{files}: {held} held-out rows are too few to measure: {FEWEST_HELD_OUT} are needed; help: bring more rows, \
             or raise --held-out"
        );
        let enough = FEW_ROWS * p.max(q);
        if (fit as i64) < enough {
            errln!(
                "warning: {fit} rows are few to fit {} columns: expected {enough}, {FEW_ROWS} for each; fitted \
                 correlations are too high and held-out ones too low; help: more rows, fewer columns, or a larger --ridge",
                p.max(q)
            );
        }
        let most = p.min(q);
        match self.components {
            None => Ok(USUAL_COMPONENTS.min(most)),
            Some(components) if (1..=most).contains(&components) => Ok(components),
            Some(components) => bail!("--components {components}: {files} have 1 to {most}"),
        }
    }

    fn fit(&self, a: &Tensor, b: &Tensor) -> anyhow::Result<LinearCca> {
        let fitted = match self.robust {
            None => LinearCca::fit(a, b, self.ridge),
            Some(choice) => LinearCca::fit_robust(a, b, self.ridge, &choice.form()),
        };
        let (first, second) = (&self.embeddings_a, &self.embeddings_b);
        fitted.with_context(|| format!("fitting {first} (the first) and {second} (the second)"))
    }

    fn print(
        &self,
        model: &LinearCca,
        measured: &HeldOutCorrelations,
        [fit, held]: [usize; 2],
    ) -> anyhow::Result<()> {
        let [p, q] = model.widths();
        outln!("{} ({p} columns), {} ({q} columns)", self.embeddings_a, self.embeddings_b)?;
        outln!("fitted on {fit} rows, measured on {held} others")?;
        outln!("component  held out (95 % of resamples)  fitted")?;
        let fitted = model.fitted_correlations();
        for (number, (one, fitted)) in measured.components.iter().zip(&fitted).enumerate() {
            outln!("{:>9}  {:<28}  {fitted:>6.3}", number + 1, text(one))?;
        }
        outln!("{:>9}  {:<28}  {:>6.3}", "sum", text(&measured.sum), fitted.iter().sum::<f64>())?;
        if let Some(out) = &self.out {
            remark!("{}: the fitted model", out.display());
        }
        Ok(())
    }

    fn as_json(
        &self,
        model: &LinearCca,
        measured: &HeldOutCorrelations,
        [fit, held]: [usize; 2],
    ) -> Value {
        let [p, q] = model.widths();
        let fitted = model.fitted_correlations();
        let components = measured.components.iter().zip(&fitted);
        let components: Vec<Value> =
            components.map(|(one, fitted)| as_json(one, *fitted)).collect();
        json!({
            "a": {"file": self.embeddings_a, "columns": p},
            "b": {"file": self.embeddings_b, "columns": q},
            "rows": {"fitted": fit, "held_out": held},
            "ridge": self.ridge,
            "robust": self.robust.map(|choice| format!("{choice:?}").to_lowercase()),
            "seed": self.seed,
            "components": components,
            "sum": as_json(&measured.sum, fitted.iter().sum()),
        })
    }
}

/// The rows of `tensor` at `indices`.
fn rows_of(tensor: &Tensor, indices: &[i64]) -> Tensor {
    tensor.index_select(0, &Tensor::from_slice(indices))
}

fn text(one: &CorrelationInterval) -> String {
    match (one.correlation, one.interval) {
        (None, _) => "none: it does not change".to_owned(),
        (Some(value), None) => format!("{value:.3}"),
        (Some(value), Some(range)) => format!("{value:.3} ({:.3} to {:.3})", range.low, range.high),
    }
}

fn as_json(one: &CorrelationInterval, fitted: f64) -> Value {
    json!({
        "held_out": one.correlation,
        "low": one.interval.map(|range| range.low),
        "high": one.interval.map(|range| range.high),
        "fitted": fitted,
    })
}
