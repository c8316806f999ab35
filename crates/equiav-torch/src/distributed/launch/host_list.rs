//! The first host of a list of hosts as Slurm writes it.

/// The first host of such lists as `a`, `a,b` and `node[007-009,12],other`; `None` where brackets are not
/// closed, or a name has several of them.
pub(super) fn first(list: &str) -> Option<String> {
    let list = list.trim();
    let Some(open) = list.find('[').filter(|open| !list[..*open].contains(',')) else {
        let name = list.split(',').next().unwrap_or_default();
        return (!name.is_empty() && !name.contains(']')).then(|| name.to_owned());
    };
    let close = open + list[open..].find(']')?;
    let numbers = &list[open + 1..close];
    let behind = list[close + 1..].split(',').next().unwrap_or_default();
    let first = numbers.split([',', '-']).next().filter(|number| !number.is_empty())?;
    let simple = !behind.contains('[') && first.chars().all(|digit| digit.is_ascii_digit());
    simple.then(|| format!("{}{first}{behind}", &list[..open]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_host_is_found_or_nothing_is_guessed() {
        let cases = [
            ("gpu1", Some("gpu1")),
            ("gpu1,gpu2", Some("gpu1")),
            ("a,node[1-3]", Some("a")),
            ("node[007-009,12],other", Some("node007")),
            ("node[3,5]-ib", Some("node3-ib")),
            ("rack[1-2]n[1-4]", None),
            ("node[1-3", None),
            ("node[]", None),
            ("", None),
        ];
        for (list, host) in cases {
            assert_eq!(first(list).as_deref(), host, "{list}");
        }
    }
}
