use std::time::Duration;

use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// How long a stopping process waits for each of them. What they leave is done by another replica, or after the next start.
const PATIENCE: Duration = Duration::from_secs(2);

/// The tasks of one kind that run beside a process's services, and end after these.
pub(crate) struct Beside {
    /// What one of them is, for the log.
    what: &'static str,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Beside {
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            stop: CancellationToken::new(),
            tasks: Vec::new(),
        }
    }

    /// Begins one that ends at the token that it is given.
    pub(crate) fn start<T>(&mut self, task: impl FnOnce(CancellationToken) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.tasks.push(tokio::spawn(task(self.stop.clone())));
    }

    /// Ends them all.
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        for task in self.tasks {
            if timeout(PATIENCE, task).await.is_err() {
                tracing::warn!("{} does not come to an end; leaving it", self.what);
            }
        }
    }
}
