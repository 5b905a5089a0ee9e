//! Another way to the simulator, which can be closed: a service URL that is gone one day.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) struct Way {
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl Way {
    pub(crate) async fn to(base: &str) -> Self {
        let to = base.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                let to = to.clone();
                connections.spawn(async move {
                    let mut to = TcpStream::connect(to).await.unwrap();
                    // Either side may hang up.
                    let _ = copy_bidirectional(&mut from, &mut to).await;
                });
            }
        });
        Self { port, task }
    }

    /// Nobody gets through any more, and who is on it is cut off.
    pub(crate) fn close(&self) {
        self.task.abort();
    }
}
