//! The section of a run's page on what its features know of augmentations.

use std::path::Path;

use equiav_report::page::{Equivariance, Table};
use equiav_train::{EquivarianceMetrics, LoadedModel};

/// The figures that were kept for the run, and what they are of; how to have them where there are none.
pub(super) fn section(
    kept: Option<&EquivarianceMetrics>,
    run: &Path,
    trained: &LoadedModel,
) -> Equivariance {
    let run = run.display();
    let Some(metrics) = kept else {
        let how = format!(
            "Not measured. `equiav probe {run} --equivariance --beside TWIN`, with the folder of another run such as an \
             invariant twin or without, writes the figures that this page then shows."
        );
        return Equivariance { notes: vec![how], tables: Vec::new() };
    };
    let EquivarianceMetrics { clips: (train, test), epochs, seed, .. } = metrics;
    let mut notes = vec![format!(
        "R2 of a slot of the parameter vector: the share of its variance on {test} held-out clips that a ridge map of the \
         features of both views explains, learned from {train} others; 1 where features know what was done, 0 and below \
         where they do not. After {epochs} epochs, seed {seed}."
    )];
    if *epochs != trained.epoch {
        notes.push(format!(
            "The run has {} epochs by now: `equiav probe {run} --equivariance` with the same --beside measures it anew.",
            trained.epoch
        ));
    }
    Equivariance { notes, tables: vec![by_group(metrics), by_slot(metrics), queries(metrics)] }
}

/// The heads of columns: the run itself goes first and the fresh network last.
fn columns(first: &[&str], metrics: &EquivarianceMetrics) -> Vec<String> {
    let own = |(place, name): (usize, &String)| match place {
        0 => "this run".to_owned(),
        _ => name.clone(),
    };
    let networks = metrics.networks.iter().enumerate().map(own);
    first.iter().map(|name| (*name).to_owned()).chain(networks).collect()
}

fn by_group(metrics: &EquivarianceMetrics) -> Table {
    let row = |group: &equiav_train::eval::GroupMetrics<'_>| {
        let r2 = group.r2.iter().map(|r2| format!("{r2:.3}"));
        [format!("{}: {}", group.modality, group.group), group.slots.to_string()]
            .into_iter()
            .chain(r2)
            .collect()
    };
    Table {
        title: "R2 by augmentation".to_owned(),
        note: "The mean over the slots of an augmentation that change.".to_owned(),
        columns: columns(&["augmentation", "slots"], metrics),
        rows: metrics.groups().iter().map(row).collect(),
    }
}

fn by_slot(metrics: &EquivarianceMetrics) -> Table {
    let row = |slot: &equiav_train::eval::SlotMetrics| {
        let r2 =
            slot.r2.iter().map(|r2| r2.map_or("never changes".to_owned(), |r2| format!("{r2:.3}")));
        std::iter::once(format!("{}: {}", slot.modality, slot.slot)).chain(r2).collect()
    };
    Table {
        title: "R2 by slot".to_owned(),
        note: String::new(),
        columns: columns(&["slot"], metrics),
        rows: metrics.slots.iter().map(row).collect(),
    }
}

fn queries(metrics: &EquivarianceMetrics) -> Table {
    let mut rows = Vec::new();
    for query in &metrics.queries {
        for (how, r1) in [("plain", &query.plain_r1), ("augmented", &query.disturbed_r1)] {
            let r1 = r1.iter().map(|r1| format!("{:.1} %", 100.0 * r1));
            rows.push(
                std::iter::once(format!("{how} {} queries", query.query)).chain(r1).collect(),
            );
        }
    }
    Table {
        title: "R@1 of augmented queries".to_owned(),
        note: "Among plain clips of the other modality.".to_owned(),
        columns: columns(&["queries"], metrics),
        rows,
    }
}
