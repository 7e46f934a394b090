//! SIP over WebSocket as a client (RFC 7118): the handshake, and frames that hold one message each.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A WebSocket of which the handshake is done.
pub(crate) struct WebSocket {
    stream: TlsStream<TcpStream>,
    read: Vec<u8>,
}

impl WebSocket {
    /// Asks for `/sip`. The key may be anything: the peer's answer to it is not looked at.
    pub(crate) async fn open(mut stream: TlsStream<TcpStream>, host: SocketAddr) -> io::Result<Self> {
        let request = format!(
            "GET /sip HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: YnJhbmNobGluZS1iZW5jaA==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: sip\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut read = Vec::new();
        let head = loop {
            if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break read.drain(..end + 4).collect::<Vec<u8>>();
            }
            read_more(&mut stream, &mut read).await?;
        };
        if head.starts_with(b"HTTP/1.1 101") {
            return Ok(Self { stream, read });
        }
        Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()))
    }

    /// One text frame. The mask is zero, which leaves the bytes as they are.
    pub(crate) async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut frame = vec![0x81];
        match u16::try_from(message.len()) {
            Ok(length) if length > 125 => {
                frame.push(0x80 | 0x7e);
                frame.extend(length.to_be_bytes());
            }
            Ok(length) => frame.push(0x80 | length as u8),
            Err(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
        frame.extend([0; 4]);
        frame.extend(message);
        self.stream.write_all(&frame).await
    }

    /// The content of the next text or binary frame.
    pub(crate) async fn receive(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some((kind, content)) = self.next_frame() {
                if matches!(kind, 1 | 2) && !content.is_empty() {
                    return Ok(content.into());
                }
                continue;
            }
            read_more(&mut self.stream, &mut self.read).await?;
        }
    }

    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (kind, short) = (self.read.first()? & 15, self.read.get(1)? & 127);
        let (start, length) = match short {
            126 => (4, usize::from(u16::from_be_bytes(self.read.get(2..4)?.try_into().ok()?))),
            short => (2, usize::from(short)),
        };
        self.read.get(start..start + length)?;
        let frame: Vec<u8> = self.read.drain(..start + length).collect();
        Some((kind, frame[start..].to_vec()))
    }
}

async fn read_more(stream: &mut TlsStream<TcpStream>, into: &mut Vec<u8>) -> io::Result<()> {
    if stream.read_buf(into).await? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
