//! As little HTTP as a measurement needs: one request after the other on a connection, and a bot that says 200.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn json(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.body(method, path, "application/json", &body).await
    }

    pub(crate) async fn form(&mut self, path: &str, body: &str) -> (u16, Value) {
        self.body("POST", path, "application/x-www-form-urlencoded", body).await
    }

    async fn body(&mut self, method: &str, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let mut request = Vec::new();
        head(&mut request, method, path, kind, None, body.len());
        request.extend_from_slice(body.as_bytes());
        let (status, body) = self.exchange(&request).await;
        (status, serde_json::from_slice(body).unwrap_or_default())
    }

    /// Status and body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        let (head, end) = message(&mut self.stream, &mut self.buffer).await.expect("an answer");
        let status = std::str::from_utf8(&self.buffer[9..12]).unwrap().parse().unwrap();
        (status, &self.buffer[head..end])
    }
}

/// Everything up to the empty line.
pub(crate) fn head(
    out: &mut Vec<u8>,
    method: &str,
    path: &str,
    kind: &str,
    token: Option<&str>,
    length: usize,
) {
    let parts = [method, " ", path, " HTTP/1.1\r\nhost: localhost\r\ncontent-type: ", kind];
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    if let Some(token) = token {
        out.extend_from_slice(b"\r\nauthorization: Bearer ");
        out.extend_from_slice(token.as_bytes());
    }
    out.extend_from_slice(format!("\r\ncontent-length: {length}\r\n\r\n").as_bytes());
}

/// Reads until one message is whole: where its body begins and ends. `None` at the end of the connection.
async fn message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(usize, usize)> {
    loop {
        if let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let end = head + 4 + length(&buffer[..head]);
            while buffer.len() < end {
                if stream.read_buf(buffer).await.ok()? == 0 {
                    return None;
                }
            }
            return Some((head + 4, end));
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).unwrap_or_default();
    head.lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
        })
        .unwrap_or(0)
}

/// A bot that counts what it is sent; its endpoint.
pub(crate) async fn sink(seen: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/api/messages", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                while let Some((_, end)) = message(&mut stream, &mut buffer).await {
                    buffer.drain(..end);
                    seen.fetch_add(1, Ordering::Relaxed);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    endpoint
}
