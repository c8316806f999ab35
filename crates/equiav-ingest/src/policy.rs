//! What can be wrong with a file or a clip, and what is then to be done.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What can be wrong with a file, or with one clip of it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Neither a video, nor a picture, nor a sound, by its content.
    NotMedia,
    /// FFmpeg cannot read it at all.
    Undecodable,
    /// FFmpeg gave nothing for longer than it may.
    TimeLimit,
    /// It has no sound track, or is a picture without a sound.
    NoAudio,
    /// It has no video track, or is a sound without a picture.
    NoVideo,
    /// No window has enough of both sound and picture.
    TooShort,
    /// Its sound changes its rate or its channels in the middle.
    FormatChange,
    /// FFmpeg reads it, but complains.
    Damaged,
    /// Its bytes are those of a file before it.
    Duplicate,
    /// Frames do not follow each other at one distance.
    VariableFrameRate,
    /// Something is to be presented before time 0.
    NegativeTimeStamps,
    /// The sound of a clip stays below -60 dB of full scale.
    Silent,
    /// The frames of a clip are all alike.
    Still,
}

/// What is done about a [`Reason`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Note it and use the clip.
    Keep,
    /// Note it and leave the clip (or, for what concerns the whole file, the file) out.
    Drop,
    /// End with an error.
    Fail,
}

impl Reason {
    /// All of them, in the order of a table.
    pub const ALL: [Reason; 13] = [
        Reason::NotMedia,
        Reason::Undecodable,
        Reason::TimeLimit,
        Reason::NoAudio,
        Reason::NoVideo,
        Reason::TooShort,
        Reason::FormatChange,
        Reason::Damaged,
        Reason::Duplicate,
        Reason::VariableFrameRate,
        Reason::NegativeTimeStamps,
        Reason::Silent,
        Reason::Still,
    ];

    /// Its name in policies and reports, such as `no-audio`.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NotMedia => "not-media",
            Reason::Undecodable => "undecodable",
            Reason::TimeLimit => "time-limit",
            Reason::NoAudio => "no-audio",
            Reason::NoVideo => "no-video",
            Reason::TooShort => "too-short",
            Reason::FormatChange => "format-change",
            Reason::Damaged => "damaged",
            Reason::Duplicate => "duplicate",
            Reason::VariableFrameRate => "variable-frame-rate",
            Reason::NegativeTimeStamps => "negative-time-stamps",
            Reason::Silent => "silent",
            Reason::Still => "still",
        }
    }

    /// Whether there is a clip that could be kept in spite of it.
    pub fn can_be_kept(self) -> bool {
        !matches!(
            self,
            Reason::NotMedia
                | Reason::Undecodable
                | Reason::TimeLimit
                | Reason::NoAudio
                | Reason::NoVideo
                | Reason::TooShort
                | Reason::FormatChange
        )
    }

    /// What is done where no policy says otherwise.
    fn usual(self) -> Action {
        match self {
            // Frames are picked by presentation time, so neither harms; a song over one picture
            // is a clip like any other.
            Reason::VariableFrameRate | Reason::NegativeTimeStamps | Reason::Still => Action::Keep,
            _ => Action::Drop,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An action per reason; reasons that are not named have their usual one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Policy(BTreeMap<Reason, Action>);

impl Policy {
    /// What is done about `reason`.
    pub fn action(&self, reason: Reason) -> Action {
        self.0.get(&reason).copied().unwrap_or_else(|| reason.usual())
    }

    /// Sets what is done about `reason`.
    pub(crate) fn replace(&mut self, reason: Reason, action: Action) {
        self.0.insert(reason, action);
    }

    /// Sets what is done about one reason, from text such as `silent=drop`.
    ///
    /// # Errors
    ///
    /// If the text is no reason, `=` and action.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let (reason, action) = text.split_once('=').ok_or_else(|| {
            format!("policy `{text}`: expected REASON=keep|drop|fail, such as silent=drop")
        })?;
        self.0.insert(reason.parse()?, action.parse()?);
        Ok(())
    }

    /// Refuses to keep what cannot be kept.
    pub(crate) fn check(&self) -> Result<(), String> {
        let kept = self.0.iter().filter(|(_, action)| **action == Action::Keep);
        match kept.map(|(reason, _)| reason).find(|reason| !reason.can_be_kept()) {
            Some(reason) => Err(format!("policy `{reason}=keep`: there is no clip to keep then")),
            None => Ok(()),
        }
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Reason::ALL.into_iter().find(|reason| reason.name() == text).ok_or_else(|| {
            let known = Reason::ALL.map(Reason::name).join(", ");
            format!("`{text}` is no reason of a policy; there are {known}")
        })
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "keep" => Ok(Action::Keep),
            "drop" => Ok(Action::Drop),
            "fail" => Ok(Action::Fail),
            _ => Err(format!("`{text}` is no action of a policy: expected keep, drop or fail")),
        }
    }
}

/// One thing that is wrong with a file or some of its clips.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What it is.
    pub reason: Reason,
    /// More about it, in one line.
    pub detail: String,
    /// The windows concerned, counted from 0; empty where it is the whole file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<usize>,
}

impl Finding {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let detail = equiav_data::one_line(&detail.into());
        Self { reason, detail, windows: Vec::new() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        match self.windows.len() {
            0 => {}
            1 => write!(f, " (1 clip)")?,
            n => write!(f, " ({n} clips)")?,
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reports() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
            assert_eq!(reason.name().parse(), Ok(reason));
        }
    }

    #[test]
    fn a_policy_changes_one_reason_and_cannot_keep_what_is_not_there() {
        let mut policy = Policy::default();
        assert_eq!(policy.action(Reason::Silent), Action::Drop);
        policy.set("silent=keep").unwrap();
        assert_eq!(policy.action(Reason::Silent), Action::Keep);
        assert_eq!(policy.action(Reason::Damaged), Action::Drop);
        assert_eq!(policy.check(), Ok(()));
        policy.set("no-audio=keep").unwrap();
        assert!(policy.check().unwrap_err().contains("no-audio=keep"));
        for wrong in ["silent", "silence=drop", "silent=remove", ""] {
            assert!(policy.set(wrong).is_err(), "{wrong}");
        }
    }
}
