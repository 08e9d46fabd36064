//! What the service manager is told: its socket is a real one.

use crate::http::free_port;
use crate::rig::{bulk, configuration, storing};
use crate::server::{Reply, Server};
use crate::shipper::{Place, Running, wait_until};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The socket of a manager, and what it heard.
struct Manager {
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Manager {
    fn listen(socket: UnixDatagram) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                hearing.lock().unwrap().push((Instant::now(), text));
            }
        });
        Self { heard }
    }

    fn at(place: &Place) -> (Self, String) {
        let path = place.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        (Self::listen(socket), path.display().to_string())
    }

    fn words(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(_, word)| word.clone()).collect()
    }

    fn has_heard(&self, begin: &str) -> bool {
        self.words().iter().any(|word| word.starts_with(begin))
    }

    fn signs_of_life(&self) -> Vec<Instant> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(_, word)| word == "WATCHDOG=1").map(|(at, _)| *at).collect()
    }
}

fn start(place: &Place, variables: &[(&str, &str)]) -> Running {
    let variables: Vec<String> =
        variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut command = vec!["env"];
    command.extend(variables.iter().map(String::as_str));
    command.push(env!("CARGO_BIN_EXE_shipper"));
    place.start_by(&command, "data", &[])
}

/// Follows `{logs}/*.log` without an endpoint.
fn quiet(url: &str) -> String {
    configuration(url, free_port()).replace("enabled: true", "enabled: false")
}

/// Starts a server that never answers what is sent to it.
fn hanging() -> Server {
    Server::start(|request| if request.is_bulk() { Reply::Hang } else { bulk(request, |_, _| 201) })
}

/// Makes a file that does not answer: a pipe that nobody reads.
fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn manager_is_told_when_all_runs_what_is_done_and_when_it_stops() {
    let server = storing();
    let place = Place::new(&quiet(&server.url()));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let (manager, socket) = Manager::at(&place);
    let running = start(&place, &[("NOTIFY_SOCKET", &socket)]);
    wait_until("it is ready", || manager.has_heard("READY=1"));
    wait_until("it says what it does", || {
        let follows = |word: &String| word.ends_with(" in flight, 1 files followed");
        manager.has_heard("STATUS=delivering to elasticsearch: ")
            && manager.words().iter().any(follows)
    });
    assert_eq!(running.stop().0, 0);
    let words = manager.words();
    let states: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !word.starts_with("STATUS=")).collect();
    assert_eq!(states, ["READY=1", "STOPPING=1"]);
    let last = words.iter().rfind(|word| word.starts_with("STATUS=")).unwrap();
    assert_eq!(last, "STATUS=stopping: what is in flight is waited for");
}

#[test]
fn abstract_socket_is_told_that_the_output_fails() {
    let name = format!("shipper-metrics-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::listen(UnixDatagram::bind_addr(&address).unwrap());
    let port = free_port();
    let place = Place::new(&quiet(&format!("http://127.0.0.1:{port}")));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = start(&place, &[("NOTIFY_SOCKET", &format!("@{name}"))]);
    wait_until("it is ready although nothing can be delivered", || manager.has_heard("READY=1"));
    let begin = format!("STATUS=http://127.0.0.1:{port} fails: ");
    wait_until("it says so", || manager.has_heard(&begin));
    running.kill();
}

#[test]
fn sign_of_life_comes_at_half_of_the_time_and_also_while_the_server_hangs() {
    let server = hanging();
    let place = Place::new(&quiet(&server.url()));
    std::fs::write(place.log("a.log"), "one\n".repeat(100_000)).unwrap();
    let (manager, socket) = Manager::at(&place);
    let running = start(&place, &[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", "2000000")]);
    wait_until("it lives for a while", || 6 <= manager.signs_of_life().len());
    let signs = manager.signs_of_life();
    let pauses = signs.windows(2).map(|pair| pair[1] - pair[0]);
    let all: Vec<Duration> = pauses.collect();
    assert!(all.iter().all(|pause| *pause < Duration::from_secs(2)), "{all:?}");
    let mean = (signs[5] - signs[0]) / 5;
    let range = Duration::from_millis(900)..Duration::from_millis(1300);
    assert!(range.contains(&mean), "{all:?}");
    running.kill();
}

/// Has the registry written anew, because it is gone, into a pipe that nobody reads. Returns that.
fn silence_registry(place: &Place) -> PathBuf {
    let registry = place.path().join("data/registry/elasticsearch");
    let pipe = registry.join("journal.new");
    make_pipe(&pipe);
    std::fs::remove_file(registry.join("journal.log")).unwrap();
    pipe
}

#[test]
fn stuck_registrar_gives_no_sign_of_life_until_it_goes_on() {
    let server = storing();
    let place = Place::new(&quiet(&server.url()));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let (manager, socket) = Manager::at(&place);
    let running = start(&place, &[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", "1000000")]);
    wait_until("it lives", || 2 <= manager.signs_of_life().len());
    let pipe = silence_registry(&place);
    let append = |text: &str| {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new().append(true).open(place.log("a.log")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append("two\n");
    let told = "the thread `registrar` has made no progress";
    wait_until("it is told in the log", || running.told().contains(told));
    let silent_since = manager.signs_of_life().len();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert_eq!(manager.signs_of_life().len(), silent_since);
        std::thread::sleep(Duration::from_millis(50));
    }
    // Somebody reads: the pipe answers, if only that it is no file.
    let _reader = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    wait_until("it lives again", || silent_since + 2 <= manager.signs_of_life().len());
    std::fs::remove_file(&pipe).unwrap();
    wait_until("the registry is saved again", || running.told().contains("saved again"));
    assert_eq!(running.stop().0, 0);
}

#[test]
fn watchdog_of_another_process_is_none_of_ours() {
    let server = storing();
    let place = Place::new(&quiet(&server.url()));
    let (manager, socket) = Manager::at(&place);
    let variables =
        [("NOTIFY_SOCKET", &*socket), ("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")];
    let running = start(&place, &variables);
    wait_until("it is ready", || manager.has_heard("READY=1"));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(manager.signs_of_life(), []);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn without_a_manager_it_runs_all_the_same() {
    let server = storing();
    let place = Place::new(&quiet(&server.url()));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = start(&place, &[("NOTIFY_SOCKET", "vsock:2:1"), ("WATCHDOG_USEC", "1")]);
    server.wait_for_bulks(1);
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    let warned = "cannot tell the service manager at `vsock:2:1` how it goes: unsupported";
    assert!(told.contains(warned), "{told}");
}

#[test]
fn stop_does_not_wait_for_a_registrar_that_hangs() {
    let server = storing();
    let place = Place::new(&quiet(&server.url()));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let (manager, socket) = Manager::at(&place);
    let running = start(&place, &[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", "1000000")]);
    wait_until("it lives", || 2 <= manager.signs_of_life().len());
    silence_registry(&place);
    std::fs::write(place.log("b.log"), "two\n").unwrap();
    wait_until("it hangs", || running.told().contains("`registrar` has made no progress"));
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    let left = "the thread `registrar` does not end: it has made no progress for 1";
    assert!(told.contains(left), "{told}");
    assert!(told.contains("stopped before all was acknowledged"), "{told}");
}

#[test]
fn second_signal_ends_the_wait_for_a_worker_that_hangs() {
    let server = hanging();
    let place = Place::new(&quiet(&server.url()));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let (manager, socket) = Manager::at(&place);
    let running = start(&place, &[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", "1000000")]);
    wait_until("it lives", || 2 <= manager.signs_of_life().len());
    server.wait_for_bulks(1);
    // The log is removed before it is delivered, and what is left of it kept in a file that does not answer.
    let listed = place.shipper(&["registry", "list", "--json"]).1;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let epoch = listed["entries"][0]["epoch"].as_str().unwrap();
    let rescue = place.path().join("data/rescue");
    std::fs::create_dir_all(&rescue).unwrap();
    make_pipe(&rescue.join(format!("{epoch}.draft")));
    std::fs::remove_file(place.log("a.log")).unwrap();
    wait_until("it hangs", || running.told().contains("`harvester-0` has made no progress"));
    let pid = rustix::process::Pid::from_raw(i32::try_from(running.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    wait_until("it stops", || running.told().contains("stopping: readers first"));
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    let left = "the thread `harvester-0` does not end: it has made no progress for ";
    assert!(told.contains(left), "{told}");
    assert!(told.contains("stopped before all was acknowledged"), "{told}");
}
