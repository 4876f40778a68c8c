//! A proxy between the API and DynamoDB, which can lose or change responses, and remembers what was sent.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What becomes of a whole response on its way. Empty: it is lost, and the connection with it.
pub type Change = fn(&[u8]) -> Vec<u8>;

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

/// What others do between two attempts.
type Meanwhile = BoxFuture<'static, ()>;

/// An operation, a table, and the response.
type Refusal = (&'static str, &'static str, Vec<u8>);

/// An operation, and what happens before it.
type First = (&'static str, BoxFuture<'static, ()>);

#[derive(Clone, Default)]
pub struct Proxy {
    faults: Arc<Mutex<VecDeque<Fault>>>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    /// How many more requests are passed on. `None`: all.
    left: Arc<Mutex<Option<usize>>>,
    /// The operation whose next request is held back.
    held: Arc<Mutex<Option<&'static str>>>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    /// What is answered, once the faults are over, in DynamoDB's place.
    instead: Arc<Mutex<VecDeque<Refusal>>>,
    /// What happens before the next request to an operation is passed on.
    first: Arc<Mutex<Option<First>>>,
    /// How long each call takes.
    takes: Arc<Mutex<Duration>>,
}

/// Holds the clock, which only the calls move. Once it is dropped, the clock runs, and calls take no time of their own.
pub struct HeldClock {
    takes: Arc<Mutex<Duration>>,
    _until_dropped: mpsc::Sender<()>,
}

impl Drop for HeldClock {
    fn drop(&mut self) {
        *self.takes.lock().unwrap() = Duration::ZERO;
        tokio::time::resume();
    }
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
            if !self.passes() {
                return;
            }
            self.sent.lock().unwrap().push(request.clone());
            let first = self.first.lock().unwrap().take_if(|(operation, _)| is_to(&request, operation));
            if let Some((_, first)) = first {
                first.await;
            }
            if let Some(response) = self.response_instead(&request) {
                client.write_all(&response).await.unwrap();
                continue;
            }
            if self.holds(&request) {
                return self.others_act().await;
            }
            upstream.write_all(&request).await.unwrap();
            let response = message(&mut upstream).await.unwrap();
            let takes = *self.takes.lock().unwrap();
            if !takes.is_zero() {
                tokio::time::advance(takes).await;
            }
            let response = self.change(&request, response);
            if response.is_empty() {
                return self.others_act().await;
            }
            if client.write_all(&response).await.is_err() {
                return;
            }
        }
    }

    async fn others_act(&self) {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
    }

    fn holds(&self, request: &[u8]) -> bool {
        let mut held = self.held.lock().unwrap();
        let is_held = held.is_some_and(|operation| is_to(request, operation));
        if is_held {
            *held = None;
        }
        is_held
    }

    /// Holds back the next request of this operation, as if it were under way for long.
    pub fn hold_back(&self, operation: &'static str) {
        *self.held.lock().unwrap() = Some(operation);
    }

    /// Does something when the next request is held back or the next response is lost, before the sender notices.
    pub fn meanwhile(&self, others: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::pin(others));
    }

    fn response_instead(&self, request: &[u8]) -> Option<Vec<u8>> {
        if !self.faults.lock().unwrap().is_empty() {
            return None;
        }
        let text = String::from_utf8_lossy(request);
        let mut instead = self.instead.lock().unwrap();
        let next =
            instead.front().is_some_and(|(operation, table, _)| is_to(request, operation) && text.contains(table));
        if next { instead.pop_front().map(|(.., response)| response) } else { None }
    }

    fn change(&self, request: &[u8], response: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(request);
        let mut faults = self.faults.lock().unwrap();
        let strikes = |fault: &Fault| is_to(request, fault.operation) && text.contains(fault.table);
        let Some(fault) = faults.front_mut().filter(|fault| strikes(fault)) else { return response };
        fault.times -= 1;
        let Fault { times, change, .. } = *fault;
        if times == 0 {
            faults.pop_front();
        }
        change(&response)
    }

    /// Passes on so many more requests to DynamoDB and none after them, as if the process were killed. `None`: passes on all.
    pub fn pass_on(&self, requests: Option<usize>) {
        *self.left.lock().unwrap() = requests;
    }

    fn passes(&self) -> bool {
        match &mut *self.left.lock().unwrap() {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// Loses the next response to this operation on this table.
    pub fn lose(&self, operation: &'static str, table: &'static str) {
        self.fail(Fault { operation, table, times: 1, change: |_| Vec::new() });
    }

    pub fn fail(&self, fault: Fault) {
        self.fail_in_turn([fault]);
    }

    /// The next request to this operation on this table does not reach DynamoDB, and gets this response. It comes after the faults.
    pub fn refuse(&self, operation: &'static str, table: &'static str, response: Vec<u8>) {
        self.instead.lock().unwrap().push_back((operation, table, response));
    }

    /// Each fault strikes once the one before is over.
    pub fn fail_in_turn(&self, faults: impl IntoIterator<Item = Fault>) {
        *self.faults.lock().unwrap() = faults.into_iter().collect();
    }

    /// Before the next request to this operation is passed on, `first` happens.
    pub fn before(&self, operation: &'static str, first: impl Future<Output = ()> + Send + 'static) {
        *self.first.lock().unwrap() = Some((operation, Box::pin(first)));
    }

    /// From now on, each call takes so long, on a clock that stands still otherwise.
    pub fn each_takes(&self, long: Duration) -> HeldClock {
        let (until_dropped, dropped) = mpsc::channel();
        // Tokio moves a paused clock by itself when nothing is left to do but to wait, even for a socket, unless a blocking task runs.
        tokio::task::spawn_blocking(move || dropped.recv());
        tokio::time::pause();
        *self.takes.lock().unwrap() = long;
        HeldClock { takes: Arc::clone(&self.takes), _until_dropped: until_dropped }
    }

    /// Asserts that the faults have happened as often as they were to.
    pub fn assert_failed(&self) {
        assert!(self.faults.lock().unwrap().is_empty(), "a response was to be lost or changed");
        assert!(self.instead.lock().unwrap().is_empty(), "a request was to be refused");
    }

    /// The raw requests that were sent since the last call.
    pub fn take_sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

/// DynamoDB's response to a call that it does not execute.
pub fn error(status: &str, code: &str) -> Vec<u8> {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"no"}}"#);
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:");
    format!("{head} {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Whether a raw request is one to this operation.
pub fn is_to(request: &[u8], operation: &str) -> bool {
    String::from_utf8_lossy(request).contains(&format!(".{operation}\r\n"))
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
