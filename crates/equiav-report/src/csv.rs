//! Writes the metrics of several runs as one CSV.

use std::collections::BTreeSet;
use std::io::Write;

use crate::run_folder::Run;

/// Writes one row for each record: `run`, `step`, `epoch`, then every key of any run, empty where a record
/// lacks it.
///
/// # Errors
///
/// If `out` refuses.
pub fn write_csv(runs: &[Run], out: impl Write) -> anyhow::Result<()> {
    let keys: BTreeSet<&str> = runs.iter().flat_map(|run| run.log.keys()).collect();
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["run", "step", "epoch"].iter().chain(&keys))?;
    for run in runs {
        for record in &run.log.records {
            let epoch = record.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
            let mut row = vec![run.name.clone(), record.step.to_string(), epoch];
            let cell = |key: &&str| record.values.get(*key).map(f64::to_string).unwrap_or_default();
            row.extend(keys.iter().map(cell));
            writer.write_record(&row)?;
        }
    }
    writer.flush()?;
    Ok(())
}
