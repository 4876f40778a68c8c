//! A proxy between the API and DynamoDB, which can lose or change responses, and remembers what was sent.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What happens to a whole response on its way. `None`: it is lost, and the connection with it.
pub type Change = fn(&[u8]) -> Option<Vec<u8>>;

/// A fault in the network: the next responses to an operation on a table do not arrive as DynamoDB sent them.
#[derive(Clone, Copy)]
pub struct Fault {
    /// `PutItem`
    pub operation: &'static str,
    /// `RecordsTable`
    pub table: &'static str,
    pub times: usize,
    pub change: Change,
}

#[derive(Clone, Default)]
pub struct Proxy {
    fault: Arc<Mutex<Option<Fault>>>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Proxy {
    /// Starts to pass requests on to `upstream`, and returns the endpoint to send them to.
    pub async fn start(&self, upstream: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (this, upstream) = (self.clone(), upstream.trim_start_matches("http://").to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(this.clone().carry(client, upstream.clone()));
            }
        });
        endpoint
    }

    async fn carry(self, mut client: TcpStream, upstream: String) {
        let mut upstream = TcpStream::connect(upstream).await.unwrap();
        while let Some(request) = message(&mut client).await {
            self.sent.lock().unwrap().push(request.clone());
            upstream.write_all(&request).await.unwrap();
            let response = message(&mut upstream).await.unwrap();
            let Some(response) = self.change(&request, response) else { return };
            if client.write_all(&response).await.is_err() {
                return;
            }
        }
    }

    fn change(&self, request: &[u8], response: Vec<u8>) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(request);
        let mut fault = self.fault.lock().unwrap();
        let strikes = |fault: &Fault| text.contains(&format!(".{}\r\n", fault.operation)) && text.contains(fault.table);
        let Some(Fault { times, change, .. }) = fault.as_mut().filter(|fault| strikes(fault)) else {
            return Some(response);
        };
        *times -= 1;
        let (change, is_over) = (*change, *times == 0);
        if is_over {
            *fault = None;
        }
        change(&response)
    }

    /// Loses the next response to this operation on this table.
    pub fn lose(&self, operation: &'static str, table: &'static str) {
        self.fail(Fault { operation, table, times: 1, change: |_| None });
    }

    pub fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    /// Asserts that the fault has happened as often as it was to.
    pub fn assert_failed(&self) {
        assert!(self.fault.lock().unwrap().is_none(), "a response was to be lost or changed");
    }

    /// The raw requests that were sent since the last call.
    pub fn take_sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

/// One raw HTTP message with a Content-Length.
pub async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if bytes.len() == end + 4 + length.map_or(0, |length| length.trim().parse().unwrap()) {
            return Some(bytes);
        }
    }
}
