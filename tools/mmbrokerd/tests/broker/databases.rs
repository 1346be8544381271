//! A database for each test: a SQLite file, or a database of a PostgreSQL that runs as long as this
//! program.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// Runs PostgreSQL in a new folder until its standard input ends, which it does with this program
/// however that ends. fsync is off: these tests kill programs, not the machine. Its standard input
/// has a command and its argument on each line.
const SCRIPT: &str = r#"
set -eu
PATH="$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)"
folder=$(mktemp -d /tmp/mmbrokerd-test.XXXXXX)
cd "$folder"
initdb --pgdata=data --auth=trust --username=postgres --encoding=UTF8 --locale=C --no-sync >log 2>&1
start() {
  postgres -D data -k "$folder" -c listen_addresses= -c fsync=off -c max_connections=200 \
    >>log 2>&1 &
  server=$!
  tries=0
  until psql -h "$folder" -U postgres -c 'SELECT 1' postgres >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || { cat log >&2; exit 1; }
    sleep 0.1
  done
}
server=
trap '[ -z "$server" ] || { kill -INT $server 2>/dev/null; wait $server; }; rm -rf "$folder"' EXIT
start
echo "$folder"
sql() { psql -h "$folder" -U postgres -q -c "$1" postgres >/dev/null 2>&1; }
while read -r command argument; do
  case $command in
    create) sql "CREATE DATABASE $argument" ;;
    cut) sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$argument'" ;;
    restart) kill "-$argument" $server; wait $server || true; start ;;
  esac
  echo done
done
"#;

/// A running PostgreSQL.
struct Server {
    folder: PathBuf,
    talk: std::sync::Mutex<(ChildStdin, BufReader<std::process::ChildStdout>)>,
    _child: Child,
}

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

impl Server {
    fn start() -> Server {
        let mut command = if is_root() {
            // PostgreSQL refuses to run as root.
            let user = if has_user("postgres") { "postgres" } else { "nobody" };
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--clear-groups", "sh", "-c", SCRIPT]);
            command
        } else {
            let mut command = Command::new("sh");
            command.args(["-c", SCRIPT]);
            command
        };
        let mut child = command
            .current_dir("/tmp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts a shell");
        let stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut folder = String::new();
        stdout.read_line(&mut folder).unwrap();
        assert!(!folder.is_empty(), "PostgreSQL did not start: is the package postgresql there?");
        let folder = PathBuf::from(folder.trim());
        Server { folder, talk: std::sync::Mutex::new((stdin, stdout)), _child: child }
    }

    fn done(&self, command: &str, argument: &str) {
        let mut talk = self.talk.lock().unwrap();
        writeln!(talk.0, "{command} {argument}").unwrap();
        let mut answer = String::new();
        talk.1.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "done");
    }

    fn url(&self, name: &str) -> String {
        self.done("create", name);
        format!("postgres://postgres@localhost/{name}?host={}", self.folder.display())
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

fn has_user(name: &str) -> bool {
    Command::new("id").arg(name).output().unwrap().status.success()
}

/// A new database, which lives as long as this value.
pub(crate) struct Database {
    pub(crate) url: String,
    _folder: Option<TempDir>,
}

impl Database {
    pub(crate) fn sqlite() -> Database {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("broker.db").display());
        Database { url, _folder: Some(folder) }
    }

    pub(crate) fn postgres() -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Database { url: SERVER.url(&name), _folder: None }
    }
}

/// A database of a PostgreSQL of its own, which a test may disturb.
#[allow(dead_code, reason = "for the fault tests")]
pub(crate) struct OwnPostgres(Server);

#[allow(dead_code, reason = "for the fault tests")]
impl OwnPostgres {
    const NAME: &str = "broker";

    pub(crate) fn start() -> OwnPostgres {
        OwnPostgres(Server::start())
    }

    pub(crate) fn database(&self) -> Database {
        Database { url: self.0.url(OwnPostgres::NAME), _folder: None }
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.0.done("cut", OwnPostgres::NAME);
    }

    /// Restarts the server: it ends its connections first.
    pub(crate) fn restart(&self) {
        self.0.done("restart", "INT");
    }

    /// Restarts the server as after a crash.
    pub(crate) fn crash(&self) {
        self.0.done("restart", "QUIT");
    }
}

/// Makes two tests of each function `async fn name(database: Database)`.
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::databases::Database::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::databases::Database::postgres()).await;
            })*
        }
    };
}
