//! Tests of the running system. One binary, one module a topic.

mod audit;
mod bulk;
mod calls;
mod clients;
mod clocks;
mod compose;
mod consistency;
mod contract;
mod engine;
mod engine_faults;
mod engine_liveness;
mod fuzz;
mod hostile;
mod leases;
mod load;
mod records;
mod recovery;
mod room;
mod saga;
mod silence;
mod standalone;
mod standalone_stores;
mod stopping;
mod store;
mod surface;
mod topologies;
