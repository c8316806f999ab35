//! What is claimed of variants: that one of them, or the best of several, is ahead of another.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

/// An ordering of variants by R@1, in the words of a grid file: `less` and `more`, or a `chain`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    pub(super) says: String,
    less: Option<Side>,
    more: Option<Side>,
    /// From the least to the greatest; each pair of neighbors is judged by itself.
    #[serde(default)]
    chain: Vec<Side>,
    /// By how many points of R@1 at least.
    #[serde(default)]
    pub(super) by: f64,
    /// The names of the regimes that it is made for, all if not given.
    #[serde(default)]
    regimes: Vec<String>,
}

/// One side of an ordering: a variant, or several, of which the best by the choosing seeds counts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Side {
    One(String),
    BestOf(Vec<String>),
}

/// Two sides that are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link<'a> {
    pub(super) less: &'a Side,
    pub(super) more: &'a Side,
}

impl Side {
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::BestOf(names) => names,
        }
    }
}

impl Claim {
    /// The comparisons that decide it, each with a verdict of its own.
    pub(super) fn links(&self) -> Vec<Link<'_>> {
        let chain = self.chain.windows(2).filter_map(|pair| match pair {
            [less, more] => Some(Link { less, more }),
            _ => None,
        });
        let pair = self.less.as_ref().zip(self.more.as_ref());
        pair.map(|(less, more)| Link { less, more }).into_iter().chain(chain).collect()
    }

    pub(super) fn is_made_for(&self, regime: &str) -> bool {
        self.regimes.is_empty() || self.regimes.iter().any(|name| name == regime)
    }

    /// Refuses what names no variant or regime of the grid, and what orders nothing.
    pub(super) fn check(&self, variants: &BTreeSet<&str>, regimes: &BTreeSet<&str>) -> Result<()> {
        self.check_names(variants, regimes).with_context(|| format!("claim \"{}\"", self.says))
    }

    fn check_names(&self, variants: &BTreeSet<&str>, regimes: &BTreeSet<&str>) -> Result<()> {
        let whole = match (&self.less, &self.more, self.chain.len()) {
            (Some(_), Some(_), 0) => true,
            (None, None, length) => length >= 2,
            _ => false,
        };
        ensure!(whole, "needs `less` and `more`, or a `chain` of at least two");
        ensure!(self.by.is_finite() && self.by >= 0.0, "by = {} is no distance in points", self.by);
        if let Some(name) = self.regimes.iter().find(|name| !regimes.contains(name.as_str())) {
            bail!("there is no regime `{name}`");
        }
        for Link { less, more } in self.links() {
            for side in [less, more] {
                ensure!(!side.names().is_empty(), "the best of no variants is none");
                let unknown = side.names().iter().find(|name| !variants.contains(name.as_str()));
                if let Some(name) = unknown {
                    bail!("there is no variant `{name}`");
                }
            }
            if let Some(name) = less.names().iter().find(|name| more.names().contains(name)) {
                bail!("`{name}` is on both sides");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(keys: &str) -> Result<Claim> {
        let claim: Claim = toml::from_str(&format!("says = \"ours is better\"\n{keys}"))?;
        let [variants, regimes] = [["a", "b", "c"], ["r", "s", "t"]].map(BTreeSet::from);
        claim.check(&variants, &regimes).map(|()| claim)
    }

    #[test]
    fn a_chain_is_as_many_links_as_it_has_neighbors() {
        let names = |claim: &Claim| -> Vec<(Vec<String>, Vec<String>)> {
            let links = claim.links().into_iter();
            links.map(|link| (link.less.names().to_vec(), link.more.names().to_vec())).collect()
        };
        let side = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let chain = claim("chain = ['a', 'b', 'c']\nregimes = ['s']").unwrap();
        let expected = [(side(&["a"]), side(&["b"])), (side(&["b"]), side(&["c"]))];
        assert_eq!(names(&chain), expected);
        assert!(chain.is_made_for("s") && !chain.is_made_for("r"));
        let best = claim("less = ['a', 'b']\nmore = 'c'\nby = 2.0").unwrap();
        assert_eq!(names(&best), [(side(&["a", "b"]), side(&["c"]))]);
        assert!(best.is_made_for("r"));
    }

    #[test]
    fn a_claim_that_orders_nothing_is_refused() {
        for (keys, reason) in [
            ("less = 'a'", "needs `less` and `more`, or a `chain`"),
            ("chain = ['a']", "of at least two"),
            ("less = 'a'\nmore = 'b'\nchain = ['a', 'b']", "needs `less` and `more`, or a `chain`"),
            ("less = 'a'\nmore = 'd'", "there is no variant `d`"),
            ("less = []\nmore = 'a'", "the best of no variants"),
            ("less = ['a', 'b']\nmore = 'b'", "`b` is on both sides"),
            ("less = 'a'\nmore = 'b'\nby = -1.0", "by = -1 is no distance"),
            ("less = 'a'\nmore = 'b'\nregimes = ['q']", "there is no regime `q`"),
        ] {
            let error = format!("{:#}", claim(keys).unwrap_err());
            assert!(error.contains(reason) && error.contains("ours is better"), "{error}");
        }
    }
}
