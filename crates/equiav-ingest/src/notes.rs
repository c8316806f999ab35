//! The report of one file in the making, and what the policy makes of each finding.

use std::time::{Duration, Instant};

use crate::child::Limits;
use crate::windows::Window;
use crate::{Action, Ffmpeg, FileReport, Finding, IngestError, Reason, Settings};

/// What every file is examined with.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub(crate) ffmpeg: &'a Ffmpeg,
    pub(crate) settings: &'a Settings,
}

/// Why a file is examined no further.
pub(crate) enum Stop {
    /// A finding, which is in the report.
    LeftOut,
    Error(IngestError),
}

/// The report in the making, under the policy.
pub(crate) struct Notes<'a> {
    pub(crate) tools: Tools<'a>,
    pub(crate) report: FileReport,
}

impl Notes<'_> {
    /// Notes what concerns the whole file; goes on only where the policy keeps it.
    pub(crate) fn add(&mut self, finding: Finding) -> Result<(), Stop> {
        let action = self.tools.settings.policy.action(finding.reason);
        let reason = finding.to_string();
        self.report.findings.push(finding);
        match action {
            Action::Keep => Ok(()),
            Action::Drop => Err(Stop::LeftOut),
            Action::Fail => {
                let file = self.report.file.clone();
                Err(Stop::Error(IngestError::Refused { file, reason }))
            }
        }
    }

    /// The value, or the end of the examination with the finding that took its place.
    pub(crate) fn expect<T>(&mut self, found: Result<T, Finding>) -> Result<T, Stop> {
        match found {
            Ok(value) => Ok(value),
            Err(finding) => self.add(finding).and(Err(Stop::LeftOut)),
        }
    }

    /// Notes a finding about one clip; whether the clip is kept.
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

    /// Limits that give a file `seconds` beyond its patience, counted from `begin`.
    pub(crate) fn limits(&self, begin: Instant, seconds: f64) -> Limits {
        let settings = self.tools.settings;
        let patience = Duration::from_secs_f64(settings.time_limit + seconds);
        Limits { deadline: begin + patience, memory_mb: settings.memory_limit_mb }
    }
}
