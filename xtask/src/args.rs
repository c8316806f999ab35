//! The few options that our own commands take; whatever belongs to cargo or criterion is passed on unread.

/// Options taken off the front of a command's arguments one by one.
pub(crate) struct Args<'a> {
    command: &'static str,
    rest: &'a [String],
}

impl<'a> Args<'a> {
    pub(crate) fn new(command: &'static str, args: &'a [String]) -> Args<'a> {
        Args { command, rest: args }
    }

    /// The value that follows `option`.
    pub(crate) fn value(&mut self, option: &str) -> Result<&'a str, String> {
        self.next().ok_or_else(|| format!("{option} needs a value: {}", self.help()))
    }

    /// The error for an option nobody knows.
    pub(crate) fn unknown(&self, option: &str) -> String {
        format!("`{option}` is no option of `{}`: {}", self.command, self.help())
    }

    fn help(&self) -> String {
        format!("see `cargo xtask help {}`", self.command)
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }
}

/// An error unless `args` is empty; for commands without options.
pub(crate) fn none(command: &'static str, args: &[String]) -> Result<(), String> {
    let mut args = Args::new(command, args);
    args.next().map_or(Ok(()), |option| Err(args.unknown(option)))
}
