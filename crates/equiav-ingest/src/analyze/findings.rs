//! The report of one file in the making, and what the policy makes of each finding.

use std::time::Duration;

use equiav_data::ffmpeg::Ffmpeg;
use equiav_data::ffmpeg::task::Limits;

use crate::decode::windows::Window;
use crate::{Action, Fault, FileReport, Finding, IngestError, IngestSettings, Reason};

/// How long FFmpeg may work in all, as a multiple of how long it may give nothing.
const WHOLE: f64 = 60.0;
/// How long it may work on a second of a file, in seconds: the slowest of codecs on the slowest of machines.
pub(crate) const SLOWEST: f64 = 60.0;

/// What every file is examined with.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub(crate) ffmpeg: &'a Ffmpeg,
    pub(crate) settings: &'a IngestSettings,
}

/// Why a file is examined no further.
pub(crate) enum Stop {
    /// A finding, which is in the report.
    Skipped,
    Error(IngestError),
}

/// The report in the making, under the policy.
pub(crate) struct FindingLog<'a> {
    pub(crate) tools: Tools<'a>,
    pub(crate) report: FileReport,
}

impl FindingLog<'_> {
    /// FindingLog what concerns the whole file; goes on only where the policy keeps it.
    pub(crate) fn add(&mut self, finding: Finding) -> Result<(), Stop> {
        let action = self.tools.settings.policy.action(finding.reason);
        let reason = finding.to_string();
        self.report.findings.push(finding);
        match action {
            Action::Keep => Ok(()),
            Action::Drop => Err(Stop::Skipped),
            Action::Fail => {
                let file = self.report.file.clone();
                Err(Stop::Error(IngestError::Refused { file, reason }))
            }
        }
    }

    /// The value, or the end of the examination with the finding that took its place.
    pub(crate) fn expect<T>(&mut self, found: Result<T, impl Into<Fault>>) -> Result<T, Stop> {
        match found.map_err(Into::into) {
            Ok(value) => Ok(value),
            Err(Fault::Finding(finding)) => self.add(finding).and(Err(Stop::Skipped)),
            Err(Fault::Machine(reason)) => {
                let file = self.report.file.clone();
                Err(Stop::Error(IngestError::Machine { file, reason }))
            }
        }
    }

    /// FindingLog a finding about one clip; whether the clip is kept.
    pub(crate) fn clip(&mut self, reason: Reason, window: Window) -> Result<bool, Stop> {
        let findings = &mut self.report.findings;
        let known = findings.iter_mut().find(|finding| finding.reason == reason);
        if let Some(finding) = known {
            finding.windows.push(window.number);
        } else {
            findings.push(Finding { windows: vec![window.number], ..Finding::new(reason, "") });
        }
        match self.tools.settings.policy.action(reason) {
            Action::Keep => Ok(true),
            Action::Drop => Ok(false),
            Action::Fail => {
                let seconds = window.start as f64 / 1e3;
                let reason = format!("{reason} in the clip from {seconds} s on");
                let file = self.report.file.clone();
                Err(Stop::Error(IngestError::Refused { file, reason }))
            }
        }
    }

    /// FindingLog damage to `windows`, in the words that FFmpeg `said`; whether their clips are kept. Damage to
    /// none of them harms nothing, and is noted.
    pub(crate) fn damaged(&mut self, windows: &[Window], said: &str) -> Result<bool, Stop> {
        let mut finding = Finding::new(Reason::Damaged, said);
        finding.windows = windows.iter().map(|window| window.number).collect();
        if windows.is_empty() {
            finding.detail.push_str(" (within no clip)");
        }
        let (reason, whole) = (finding.to_string(), windows.is_empty());
        if !self.report.findings.contains(&finding) {
            self.report.findings.push(finding);
        }
        match self.tools.settings.policy.action(Reason::Damaged) {
            Action::Fail if !whole => {
                let file = self.report.file.clone();
                Err(Stop::Error(IngestError::Refused { file, reason }))
            }
            Action::Drop => Ok(false),
            _ => Ok(true),
        }
    }

    /// The limits of a process that reads for `reading` seconds before it gives anything, of a file that
    /// lasts for `seconds`.
    pub(crate) fn limits(&self, reading: f64, seconds: f64) -> Limits {
        let IngestSettings { time_limit, memory_limit_mb, .. } = self.tools.settings;
        limits(*time_limit + reading, seconds, *memory_limit_mb)
    }
}

/// The limits of a process that may give nothing for `silence`, of a file that lasts for `seconds`.
pub(crate) fn limits(silence: f64, seconds: f64, memory_mb: u64) -> Limits {
    let whole = Duration::from_secs_f64(WHOLE * silence + SLOWEST * seconds.clamp(0.0, 86_400.0));
    Limits { silence: Duration::from_secs_f64(silence), whole, memory_mb }
}
