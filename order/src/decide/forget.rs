use domain::SagaId;
use engine::{
    Command, Touches, View,
    keys::{IndexKey, Partition},
};

/// Takes settled sagas out of the index. They are paid, which is final, so nothing has to be compared.
#[derive(Debug)]
pub(crate) struct Forget {
    /// Where the sagas' orders live.
    pub(crate) partition: Partition,
    /// The partition's index.
    pub(crate) inflight: IndexKey,
    /// The sagas.
    pub(crate) saga_ids: Vec<SagaId>,
}

impl Command for Forget {
    type Outcome = ();

    /// What is gone stays gone.
    const REPEATABLE: bool = true;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        touches.index(&self.inflight);
    }

    fn decide(&self, view: &mut View) {
        for saga_id in &self.saga_ids {
            view.index_remove(&self.inflight, &saga_id.to_string());
        }
    }
}
