use engine::{
    Command, Touches, View,
    keys::{Key, Partition, Partitions},
};

/// Adds 1 to a counter and returns the sum: the smallest command that a lost update would show in.
pub struct Increment {
    counter: Key<i64>,
}

impl Increment {
    /// Adds to the counter with this name.
    #[must_use]
    pub fn of(name: &str, partitions: &Partitions) -> Self {
        Self {
            counter: partitions.key("counter", partitions.of(name), name),
        }
    }

    /// Where the counter is.
    #[must_use]
    pub fn key(&self) -> &Key<i64> {
        &self.counter
    }
}

impl From<Key<i64>> for Increment {
    fn from(counter: Key<i64>) -> Self {
        Self { counter }
    }
}

impl Command for Increment {
    type Outcome = i64;

    fn partition(&self) -> Partition {
        self.counter.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.counter);
    }

    fn decide(&self, view: &mut View) -> i64 {
        let sum = view.get(&self.counter).copied().unwrap_or_default() + 1;
        view.put(&self.counter, sum);
        sum
    }
}
