//! Things by name, made when they are first asked for: found without a lock, and only so many.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

use super::OTHER;

/// What stands under a name.
type Place<T> = OnceLock<(Box<str>, T)>;

/// Up to so many things by name; the names that come later share one.
#[derive(Debug)]
pub struct Table<T> {
    places: Box<[Place<T>]>,
    other: T,
    has_other: OnceLock<()>,
}

impl<T: Default> Table<T> {
    /// An empty one with so much room.
    #[must_use]
    pub fn new(room: usize) -> Self {
        let places = (0..room.max(1)).map(|_| OnceLock::new()).collect();
        Self { places, other: T::default(), has_other: OnceLock::new() }
    }

    /// What has this name; made when there is none yet.
    pub fn get(&self, name: &str) -> &T {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let first = usize::try_from(hasher.finish() >> 32).unwrap_or(0);
        for step in 0..self.places.len() {
            let place = &self.places[first.wrapping_add(step) % self.places.len()];
            // Two may come for one free place: whoever is late looks at what stands there then.
            let (taken, found) = place.get_or_init(|| (name.into(), T::default()));
            if **taken == *name {
                return found;
            }
        }
        self.has_other.get_or_init(|| ());
        &self.other
    }

    /// Everything in it, in the order of the names.
    pub fn all(&self) -> impl Iterator<Item = (&str, &T)> {
        let mut all: Vec<_> = self
            .places
            .iter()
            .filter_map(OnceLock::get)
            .map(|(name, found)| (&**name, found))
            .chain(self.has_other.get().map(|()| (OTHER, &self.other)))
            .collect();
        all.sort_by_key(|(name, _)| *name);
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn each_name_has_its_own_until_the_room_ends() {
        let table: Table<AtomicU64> = Table::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for round in 0..8000 {
                        table.get(["a", "b", "c", "d"][round % 4]).fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let counts: Vec<_> =
            table.all().map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect();
        assert_eq!(counts, ["a", "b", "c", "d"].map(|name| (name, 16_000)));
        for number in 0..100 {
            table.get(&format!("n{number}")).fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(table.all().count(), 9);
        assert_eq!(table.get("a").load(Ordering::Relaxed), 16_000);
        assert_eq!(table.get("never seen").load(Ordering::Relaxed), 96);
    }
}
