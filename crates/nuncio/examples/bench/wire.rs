//! As little HTTP as a measurement needs: one request after the other on a connection.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    bearer: String,
    buffer: Vec<u8>,
    request: Vec<u8>,
}

impl Connection {
    /// To a `http://` address; `bearer` goes with every request.
    pub(crate) async fn open(base: &str, bearer: &str) -> Self {
        let host = base.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&host).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, host, bearer: bearer.to_owned(), buffer: Vec::new(), request: Vec::new() }
    }

    pub(crate) async fn json(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body) = self.call(method, path, &text).await;
        (status, serde_json::from_slice(body).unwrap_or_default())
    }

    /// Status and body.
    pub(crate) async fn call(&mut self, method: &str, path: &str, body: &str) -> (u16, &[u8]) {
        self.request.clear();
        let length = body.len().to_string();
        let parts = [
            method,
            " ",
            path,
            " HTTP/1.1\r\nhost: ",
            &self.host,
            "\r\ncontent-type: application/json\r\nauthorization: Bearer ",
            &self.bearer,
            "\r\ncontent-length: ",
            &length,
            "\r\n\r\n",
            body,
        ];
        for part in parts {
            self.request.extend_from_slice(part.as_bytes());
        }
        self.stream.write_all(&self.request).await.unwrap();
        self.buffer.clear();
        let (head, end) = loop {
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break (at + 4, at + 4 + content_length(&self.buffer[..at]));
            }
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "{path}: no answer");
        };
        while self.buffer.len() < end {
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "{path}: half an answer");
        }
        let status = std::str::from_utf8(&self.buffer[9..12]).unwrap().parse().unwrap();
        (status, &self.buffer[head..end])
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).unwrap();
    let length = head.lines().filter_map(|line| line.split_once(':'));
    length
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}
