//! The program itself, started from the command line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder of one test. Not a fixed one: two runs of the tests may be under way.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn command(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(options).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running server, and what it printed before it started listening.
struct Served {
    child: Child,
    address: String,
    greeting: String,
}

fn serve(options: &[&str]) -> Served {
    let child = command(options).stderr(Stdio::null()).spawn().unwrap();
    let mut served = Served { child, address: String::new(), greeting: String::new() };
    for line in BufReader::new(served.child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(address) = line.strip_prefix("listening on http://") {
            address.clone_into(&mut served.address);
            return served;
        }
        served.greeting += &line;
        served.greeting.push('\n');
    }
    panic!("it exited without listening: {}", served.greeting);
}

impl Served {
    fn get(&self, path: &str, key: &str) -> (u16, Value) {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n", self.address);
        let answer = exchange(&self.address, &request);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    /// Stops it as Ctrl-C does, and returns its exit code.
    fn interrupt(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

/// A failed test leaves nothing running.
impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn keys(path: &Path) -> Vec<Value> {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The one line that it prints when it can't start.
fn start_error(options: &[&str]) -> String {
    let output = command(options).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap().as_str()), (Some(1), ""), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn it_serves_with_the_keys_it_prints_keeps_data_and_keys_and_stops_on_ctrl_c() {
    let folder = folder();
    let (data, keys_file) = (folder.path().join("kept.db"), folder.path().join("keys.json"));
    let options = ["--port", "0", "--data", data.to_str().unwrap(), "--keys-file", keys_file.to_str().unwrap()];
    let served = serve(&options);
    assert_eq!(fs::metadata(&keys_file).unwrap().permissions().mode() & 0o777, 0o600);
    let first = keys(&keys_file);
    let shape: Vec<String> = first
        .iter()
        .map(|key| {
            assert_eq!(key.as_object().unwrap().len(), 5);
            let text = |name: &str| key[name].as_str().unwrap();
            assert!(served.greeting.contains(text("key")) && served.greeting.contains(text("organization")));
            format!("{} {} {}", text("plan"), text("label"), key["scopes"].as_array().unwrap().len())
        })
        .collect();
    assert_eq!(
        shape,
        [
            "free all 8",
            "starter all 8",
            "professional all 8",
            "professional read-only 4",
            "professional jobs-only 2",
            "enterprise all 8",
            "enterprise all-2 8",
            "enterprise all-3 8",
            "enterprise all-4 8",
            "enterprise all-5 8",
            "enterprise all-6 8",
            "enterprise all-7 8",
            "enterprise all-8 8",
            "enterprise erase 9",
        ]
    );
    // Send the printed curl line's request.
    let line = served.greeting.lines().find(|line| line.trim_start().starts_with("curl ")).unwrap();
    let quoted: Vec<&str> = line.split('"').collect();
    let key = quoted[1].strip_prefix("X-API-Key: ").unwrap().to_owned();
    let path = quoted[3].strip_prefix(&format!("http://{}", served.address)).unwrap().to_owned();
    let (status, body) = served.get(&path, &key);
    assert_eq!((status, body["data"].as_array().unwrap().len()), (200, 10));
    assert_eq!(served.get(&path, first[0]["key"].as_str().unwrap()).0, 403, "Free has no API access");
    assert_eq!(served.interrupt(), Some(0));

    let served = serve(&options);
    assert_eq!(served.get(&path, &key).1["data"], body["data"]);
    assert_eq!(keys(&keys_file), first, "the keys of the earlier start are kept");
    assert_eq!(served.interrupt(), Some(0));

    // A key that the data does not have gets a new secret, and the others stay. If the file has no keys, all get new secrets.
    let mut changed = first.clone();
    changed[2]["key"] = changed[3]["key"].clone();
    fs::write(&keys_file, serde_json::to_vec(&changed).unwrap()).unwrap();
    let served = serve(&options);
    let now = keys(&keys_file);
    assert_eq!(served.get(&path, &key).0, 401);
    assert_eq!(served.get(&path, now[2]["key"].as_str().unwrap()).0, 200);
    assert!(now[2] != first[2] && now[3..] == first[3..] && now[..2] == first[..2]);
    assert_eq!(served.interrupt(), Some(0));
    fs::write(&keys_file, "nothing of ours").unwrap();
    let served = serve(&options);
    let fresh = keys(&keys_file);
    assert!(fresh.iter().zip(&now).all(|(fresh, now)| fresh["key"] != now["key"]));
    assert_eq!(served.get(&path, fresh[2]["key"].as_str().unwrap()).0, 200);
    assert_eq!(served.interrupt(), Some(0));

    // Other data has none of the keys.
    let other = folder.path().join("other.db");
    let served = serve(&["--port", "0", "--data", other.to_str().unwrap(), "--keys-file", keys_file.to_str().unwrap()]);
    let others = keys(&keys_file);
    assert_eq!(served.get(&path, fresh[2]["key"].as_str().unwrap()).0, 401);
    assert_eq!(served.get(&path, others[2]["key"].as_str().unwrap()).0, 200);
    assert_eq!(served.interrupt(), Some(0));
}

#[test]
fn it_prints_the_settings_that_the_operator_command_needs() {
    let served = serve(&["--port", "0"]);
    for setting in [
        "ACCESS_TABLE=AccessTable",
        "RECORDS_TABLE=RecordsTable",
        "AWS_REGION=local",
        "AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:",
    ] {
        assert!(served.greeting.contains(setting), "{}", served.greeting);
    }
    assert_eq!(served.interrupt(), Some(0));
}

#[test]
fn a_data_file_that_is_damaged_or_in_another_format_is_left_unchanged_and_reported_with_the_remedy() {
    const REMEDY: &str = "move it away, or choose another with --data; a new file gets the demo data.\n";
    let folder = folder();
    let assert_rejected = |path: &Path, why: &str| {
        let before = fs::read(path).unwrap();
        let message = start_error(&["--port", "0", "--data", path.to_str().unwrap()]);
        assert_eq!(message, format!("The data file {} {why}: {REMEDY}", path.display()));
        assert!(fs::read(path).unwrap() == before, "{why}");
    };
    let text = folder.path().join("text.db");
    fs::write(&text, "not a database, and long enough to look like none: ".repeat(100)).unwrap();
    assert_rejected(&text, "is damaged or belongs to another program");

    let data = folder.path().join("format.db");
    assert_eq!(serve(&["--port", "0", "--data", data.to_str().unwrap()]).interrupt(), Some(0));
    let good = fs::read(&data).unwrap();
    // The first quarter of a file that was copied while the disk was full, and one with a page that was overwritten.
    fs::write(&data, &good[..good.len() / 4]).unwrap();
    assert_rejected(&data, "is damaged or belongs to another program");
    let mut overwritten = good.clone();
    overwritten[8192..12288].fill(0xaa);
    fs::write(&data, overwritten).unwrap();
    assert_rejected(&data, "is damaged or belongs to another program");

    fs::write(&data, &good).unwrap();
    let file = rusqlite::Connection::open(&data).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    assert_rejected(&data, "has format 99, but this version reads format 3");
    fs::write(&data, &good).unwrap();
    let other = rusqlite::Connection::open(&data).unwrap();
    other.pragma_update(None, "application_id", 0).unwrap();
    other.pragma_update(None, "user_version", 0).unwrap();
    drop(other);
    assert_rejected(&data, "has no format number, but this version reads format 3");
}

#[test]
fn it_prints_the_address_of_the_embedded_dynamodb() {
    let served = serve(&["--port", "0", "--dynamodb-port", "0"]);
    let message = served.greeting.lines().find_map(|line| line.split("DynamoDB: http://").nth(1)).unwrap();
    let address = message.strip_suffix('.').unwrap();
    let answer = exchange(address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("healthy"), "{answer}");
    assert_eq!(served.interrupt(), Some(0));
}

#[test]
fn it_accepts_only_loopback_and_allowed_hosts() {
    let served = serve(&["--port", "0", "--allow-host", "tunnel.example"]);
    let port = served.address.rsplit(':').next().unwrap().to_owned();
    for path in ["/api/v1/jobs", "/docs", "/settings/sign-in", "/dev/issuer/.well-known/openid-configuration"] {
        for (host, is_accepted) in [
            (served.address.clone(), true),
            (format!("localhost:{port}"), true),
            (format!("tunnel.example:{port}"), true),
            (format!("rebound.example:{port}"), false),
            (String::new(), false),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = exchange(&served.address, &request);
            assert_eq!(answer.starts_with("HTTP/1.1 421 "), !is_accepted, "{path} {host}: {answer}");
            assert_eq!(answer.contains("--allow-host NAME"), !is_accepted, "{path} {host}: {answer}");
        }
        let request = format!(
            "GET http://rebound.example{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            served.address
        );
        assert!(exchange(&served.address, &request).starts_with("HTTP/1.1 421 "));
    }
    assert_eq!(served.interrupt(), Some(0));
}

#[test]
fn a_failed_start_is_reported_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for options in [&["--port", &port][..], &["--port", "0", "--dynamodb-port", &port]] {
        assert_eq!(
            start_error(options),
            format!(
                "Port {port} is already in use. Stop the program that uses it, or choose another port with {} (0 picks a free one).\n",
                options[options.len() - 2]
            )
        );
    }
    assert_eq!(
        start_error(&["--port", "0", "--data", "/nowhere/data.db"]),
        "Can't open the data file /nowhere/data.db: there is no directory /nowhere.\n"
    );
    let folder = env!("CARGO_TARGET_TMPDIR");
    assert_eq!(
        start_error(&["--port", "0", "--data", folder]),
        format!("Can't open the data file {folder}: it is a directory.\n")
    );
    let keys = start_error(&["--port", "0", "--keys-file", "/nowhere/keys.json"]);
    assert!(keys.starts_with("Can't write the keys file /nowhere/keys.json: No such file or directory"), "{keys}");
}

#[test]
fn an_unknown_option_is_reported_and_help_lists_the_options() {
    let output = command(&["--prot", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        message,
        "Unexpected argument '--prot' found; a similar argument exists: '--port'. Run `local --help` for help.\n"
    );
    let help = String::from_utf8(command(&["--help"]).output().unwrap().stdout).unwrap();
    for option in [
        "--port <N>",
        "--data <FILE>",
        "--keys-file <FILE>",
        "--dynamodb-port <N>",
        "--dynamodb-host <IP>",
        "--allow-host <NAME>",
    ] {
        assert!(help.contains(option), "{help}");
    }
}
