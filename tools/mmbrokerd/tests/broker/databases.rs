//! A database for each test: a SQLite file, or a database of a PostgreSQL that runs as long as this
//! program.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// Runs PostgreSQL in a new folder of `$PLACE` until its standard input ends, which it does with
/// this program however that ends. Its standard input has a command and its argument on each line.
/// `$DATA` and `$WAL` are where tables and log are, if not in that folder; `$BALLAST` is the file
/// that fills the disk.
const SCRIPT: &str = r#"
set -eu
PATH="$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)"
folder=$(mktemp -d "$PLACE/mmbrokerd-test.XXXXXX")
cd "$folder"
data=${DATA:-$folder/data}
initdb --pgdata="$data" ${WAL:+"--waldir=$WAL" --wal-segsize=1} --auth=trust --username=postgres \
  --encoding=UTF8 --locale=C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
start() {
  postgres -D "$data" -k "$folder" -c listen_addresses= -c fsync="$FSYNC" -c max_connections=200 \
    ${WAL:+-c min_wal_size=2MB} >>log 2>&1 &
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
    start)
      until sql 'SELECT 1'; do
        [ -e "$data/postmaster.pid" ] || { wait $server || true; start; }
        sleep 0.1
      done ;;
    restart) kill "-$argument" $server; wait $server || true; start ;;
    fill)
      cat /dev/zero >>"$BALLAST" 2>/dev/null || true
      # PostgreSQL has written some files of its log in advance.
      [ -z "${WAL:-}" ] || sql "SELECT pg_logical_emit_message(false, '', repeat('x', 64000000))" ||
        true ;;
    empty) rm "$BALLAST" ;;
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

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&Disk::Temporary));

/// Where a PostgreSQL keeps what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each test program uses some")]
pub(crate) enum Disk {
    /// In `/tmp`, and nothing is made durable: most tests kill programs, not the machine.
    Temporary,
    /// In `/var/tmp`, durable as in service.
    Durable,
    /// Its tables on a file system of [`SMALL_DISK`].
    SmallForTables,
    /// Its log on such a file system.
    SmallForLog,
}

/// The size of a disk that can be filled. A new PostgreSQL with two databases has 40 MB.
const SMALL_DISK: &str = "64m";
/// Runs its first argument with a small file system at `/mnt`, which nobody else sees. PostgreSQL
/// refuses to run as root, so the user gets another number there.
const ON_SMALL_DISK: &str = r#"
mount -t tmpfs -o "size=$SIZE" tmpfs /mnt
exec unshare --user --map-user=1000 --map-group=1000 sh -c "$1"
"#;

impl Server {
    fn start(disk: &Disk) -> Server {
        let is_small = matches!(disk, Disk::SmallForTables | Disk::SmallForLog);
        let mut command = if is_small {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--mount", "sh", "-ec", ON_SMALL_DISK, "sh", SCRIPT]);
            command.env("SIZE", SMALL_DISK).env("BALLAST", "/mnt/ballast");
            command
        } else if is_root() {
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
        match disk {
            Disk::SmallForTables => command.env("DATA", "/mnt/data"),
            Disk::SmallForLog => command.env("WAL", "/mnt/log"),
            Disk::Temporary | Disk::Durable => &mut command,
        };
        let is_durable = *disk == Disk::Durable;
        let mut child = command
            .env("PLACE", if is_durable { "/var/tmp" } else { "/tmp" })
            .env("FSYNC", if is_durable { "on" } else { "off" })
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
    #[allow(dead_code, reason = "each test program uses some")]
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
#[allow(dead_code, reason = "for the fault tests and the benchmark")]
pub(crate) struct OwnPostgres(Server);

#[allow(dead_code, reason = "for the fault tests and the benchmark")]
impl OwnPostgres {
    const NAME: &str = "broker";

    pub(crate) fn start(disk: Disk) -> OwnPostgres {
        OwnPostgres(Server::start(&disk))
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

    /// Starts the server if it ended by itself.
    pub(crate) fn start_again(&self) {
        self.0.done("start", "");
    }

    /// Fills its small disk to the last byte, and, if the log is there, the log.
    pub(crate) fn fill_disk(&self) {
        self.0.done("fill", "");
    }

    /// Makes space on its small disk again.
    pub(crate) fn empty_disk(&self) {
        self.0.done("empty", "");
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
