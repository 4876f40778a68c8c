//! The update that changes an item from one state to another. It knows no record.

use crate::store::{expression::Expression, item::Item};

/// The attribute that every change of a record increments.
const VERSION: &str = "version";

/// The update from `old`, as it was read, to `new`, which has the same key. Its condition is that the item has not changed since. An
/// attribute that neither contains, such as one from a later version of this code, stays as it is.
pub(crate) fn between(old: &Item, new: &Item) -> Expression {
    let mut set = Vec::new();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (i, (name, value)) in new.iter().filter(|(name, value)| old.get(*name) != Some(value)).enumerate() {
        names.push((format!("#s{i}"), name.clone()));
        values.push((format!(":s{i}"), value.clone()));
        set.push(format!("#s{i} = :s{i}"));
    }
    if_unchanged(old, Expression::update(format!("SET {}", set.join(", "))))
        .removing(old.keys().filter(|name| !new.contains_key(*name)))
        .names(names)
        .values(values)
}

/// The condition that an item has not changed since it was read.
pub(crate) fn unchanged(old: &Item) -> Expression {
    if_unchanged(old, Expression::default())
}

fn if_unchanged(old: &Item, expression: Expression) -> Expression {
    let version = old.get(VERSION).map(|version| (":version", version.clone()));
    expression.only_if("#version = :version").names([("#version", VERSION)]).values(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::item::string;

    #[test]
    fn a_change_names_only_what_differs_and_leaves_what_neither_state_has() {
        let item =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), string(value))).collect();
        let old: Item = item(&[("pk", "p"), ("version", "1"), ("a", "1"), ("b", "1"), ("c", "1")]);
        let new: Item = item(&[("pk", "p"), ("version", "2"), ("a", "1"), ("b", "2")]);
        let mut change = between(&old, &new);
        let update = change.update.clone().unwrap();
        let (all, values) = (change.take_names().unwrap(), change.take_values().unwrap());
        let mut names: Vec<_> = all.values().cloned().collect();
        names.sort();
        assert_eq!(names, ["b", "c", "version", "version"], "{update}");
        assert!(update.starts_with("SET ") && update.ends_with(" REMOVE #r0"));
        assert_eq!((&all["#r0"], &values[":version"]), (&"c".to_owned(), &string("1")));
    }
}
