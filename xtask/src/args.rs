//! The few options that our own commands take; whatever belongs to cargo or criterion is passed on unread.

use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

/// A command's arguments, from which options are taken one by one.
pub(crate) struct Args<'a> {
    command: &'static str,
    rest: Vec<&'a str>,
}

impl<'a> Args<'a> {
    pub(crate) fn new(command: &'static str, args: &'a [String]) -> Args<'a> {
        Args { command, rest: args.iter().map(String::as_str).collect() }
    }

    /// Whether `option` is among them.
    pub(crate) fn flag(&mut self, option: &str) -> bool {
        let before = self.rest.len();
        self.rest.retain(|arg| *arg != option);
        self.rest.len() < before
    }

    /// The value of the first `option`, which follows it or an equals sign.
    pub(crate) fn value(&mut self, option: &str) -> Result<Option<&'a str>> {
        let joined = |arg: &'a str| arg.strip_prefix(option)?.strip_prefix('=');
        let of_option = |arg: &&'a str| *arg == option || joined(arg).is_some();
        let Some(at) = self.rest.iter().position(of_option) else { return Ok(None) };
        if let Some(value) = joined(self.rest.remove(at)) {
            return Ok(Some(value));
        }
        if at == self.rest.len() {
            bail!("{option} needs a value: see `cargo xtask help {}`", self.command);
        }
        Ok(Some(self.rest.remove(at)))
    }

    /// The value of `option` as a number above 0.
    pub(crate) fn number<T: FromStr + PartialOrd + Default>(
        &mut self,
        option: &str,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(option)? else { return Ok(None) };
        let number = value.parse().ok().filter(|number| *number > T::default());
        let number = number.with_context(|| format!("{option} {value}: expected a number above 0"));
        number.map(Some)
    }

    /// An error unless every argument was taken.
    pub(crate) fn finish(self) -> Result<()> {
        let Some(option) = self.rest.first() else { return Ok(()) };
        let command = self.command;
        bail!("`{option}` is no option of `{command}`: see `cargo xtask help {command}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_in_any_order_and_what_is_left_is_refused() {
        let words: Vec<String> =
            "--force --url=a --skip x --n 3 --skip y".split(' ').map(str::to_owned).collect();
        let mut args = Args::new("setup", &words);
        assert_eq!(args.value("--skip").unwrap(), Some("x"));
        assert_eq!(args.number::<u32>("--n").unwrap(), Some(3));
        assert_eq!(args.value("--url").unwrap(), Some("a"));
        assert!(args.flag("--force") && !args.flag("--force"));
        assert_eq!(args.value("--cuda").unwrap(), None);
        let message = "`--skip` is no option of `setup`: see `cargo xtask help setup`";
        assert_eq!(args.finish().unwrap_err().to_string(), message);
    }

    #[test]
    fn a_missing_value_and_a_wrong_number_are_refused() {
        let words = ["--n", "0", "--url"].map(str::to_owned);
        let mut args = Args::new("setup", &words);
        assert!(args.value("--url").unwrap_err().to_string().contains("needs a value"));
        let error = args.number::<u32>("--n").unwrap_err().to_string();
        assert_eq!(error, "--n 0: expected a number above 0");
    }
}
