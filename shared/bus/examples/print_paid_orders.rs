//! Prints every order that is paid, once it is: `BUS_URL=redis://127.0.0.1:6380 cargo run -p bus --example print_paid_orders`

use bus::{
    Bus, CloudEvent, Topic,
    consumer::{Consumer, ConsumerConfig, Handler, HandlerError},
};
use domain::ServiceName;
use engine::store::StoreConfig;
use tokio_util::sync::CancellationToken;

pub struct PaidOrders<P>(pub P);

impl<P: Fn(String) + Send + Sync + 'static> Handler for PaidOrders<P> {
    async fn handle(&self, event: &CloudEvent) -> Result<(), HandlerError> {
        // Types that it does not know are none of its business.
        if event.r#type == "order.paid" {
            (self.0)(format!("order {} is paid: {}", event.subject, event.data.get()));
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::open(&StoreConfig::at(std::env::var("BUS_URL")?))?;
    let config = ConsumerConfig::new("print-paid-orders", "one", [Topic::of(ServiceName::Order)]);
    let consumer = Consumer::new(bus, config, PaidOrders(|line| println!("{line}")));
    let stop = CancellationToken::new();
    let work = tokio::spawn(consumer.run(stop.clone()));
    tokio::signal::ctrl_c().await?;
    stop.cancel();
    Ok(work.await?)
}
