//! What paid sagas have sold, wherever it is written: an order tells what its last saga sold, until somebody sets it
//! back; then the sale has a record of its own.

use domain::SagaId;
use engine::store::ReadError;

use crate::{
    record::{Order, Sale},
    service::Orders,
};

impl Orders {
    /// What the saga has sold; `None` if it was not paid. The order must have been read before: one that was set back by
    /// then has left the record of its sale.
    ///
    /// # Errors
    /// As [`Store::read`](engine::store::Store::read).
    pub(crate) async fn sale(&self, saga_id: &SagaId, order: &Order) -> Result<Option<Sale>, ReadError> {
        if is_under_way(saga_id, order) {
            return Ok(None);
        }
        match order.sale(saga_id.attempt) {
            Some(sale) => Ok(Some(sale)),
            None => self.store.read(&self.keys.sale(saga_id)).await,
        }
    }

    /// What each of these sagas of one partition has sold, likewise. Each that cannot be read is an error of its own.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] within the command timeout.
    pub(crate) async fn sales(
        &self,
        sagas: &[(&SagaId, Option<&Order>)],
    ) -> Result<Vec<Result<Option<Sale>, ReadError>>, ReadError> {
        let mut sales: Vec<Result<Option<Sale>, ReadError>> = sagas
            .iter()
            .map(|(saga_id, order)| Ok(order.and_then(|order| order.sale(saga_id.attempt))))
            .collect();
        let set_back: Vec<usize> = (0..sales.len())
            .filter(|number| matches!(sales[*number], Ok(None)))
            .collect();
        let records = set_back.iter().map(|number| self.keys.sale(sagas[*number].0)).collect();
        for (number, record) in set_back.into_iter().zip(self.store.read_all(records).await?) {
            sales[number] = record;
        }
        Ok(sales)
    }
}

/// Whether the order says that nobody has finished the saga. Then nobody has set it back either.
fn is_under_way(saga_id: &SagaId, order: &Order) -> bool {
    order.attempt == saga_id.attempt && order.drive().is_some()
}
