//! A map of bounded size, for what only saves calls. It knows nothing of keys.

use std::{collections::HashMap, hash::Hash};

/// Maximum entries. Beyond it, a map starts again from empty: it holds nothing that is needed.
const MAX_ENTRIES: usize = 10_000;

/// A map that starts again from empty when it is full.
#[derive(Debug)]
pub(super) struct Bounded<K, V>(pub(super) HashMap<K, V>);

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, V> Bounded<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.make_room(&key);
        self.0.insert(key, value);
    }

    pub(super) fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.make_room(&key);
        self.0.entry(key).or_default()
    }

    fn make_room(&mut self, key: &K) {
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(key) {
            self.0.clear();
        }
    }
}
