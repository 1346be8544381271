//! The terminal view, on a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::vendor::Vendor;
use super::{Home, MINT, status, stderr};

/// How long a text may take to appear.
const WAIT_MAX: Duration = Duration::from_secs(30);
const ROWS: u16 = 20;
const COLUMNS: u16 = 100;

/// `mmwallet` on a terminal.
struct Screen {
    child: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    /// What a terminal makes of the output.
    terminal: vt100::Parser,
}

impl Screen {
    fn start(home: &Home) -> Screen {
        Screen::start_on(home, "xterm")
    }

    fn start_on(home: &Home, terminal_name: &str) -> Screen {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let terminal = File::options().read(true).write(true).open(name).unwrap();
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        let stdio = || Stdio::from(terminal.try_clone().unwrap());
        let child = Command::new(cargo_bin("mmwallet"))
            .env_clear()
            .env("TERM", terminal_name)
            .arg("--wallet")
            .arg(home.wallet())
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().unwrap();
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Linux ends a terminal that nobody has open with EIO.
            while let Ok(len @ 1..) = screen.read(&mut bytes) {
                if send.send(bytes[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Screen {
            child,
            keyboard,
            output,
            terminal: vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0),
        }
    }

    /// Waits until the screen shows this text.
    fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |screen| screen.contents().contains(text));
    }

    fn wait_until(&mut self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + WAIT_MAX;
        while !is_so(self.terminal.screen()) {
            let wait = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(wait) else {
                panic!("expected {what:?}, found {}", self.terminal.screen().contents());
            };
            self.terminal.process(&bytes);
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_view_shows_the_wallet_and_gives_the_terminal_back() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    home.run(&["get", &vendor.url("/page"), "--autopay", "2"]);
    let before = std::fs::read(home.wallet()).unwrap();
    let mut screen = Screen::start(&home);
    screen.wait_for("user alice");
    assert!(screen.terminal.screen().alternate_screen());
    screen.press("2");
    screen.wait_for("paid 2 coins");
    screen.wait_for("received 2 sets");
    screen.press("/127.0.0.1\r");
    screen.wait_until("one entry", |screen| !screen.contents().contains("received"));
    screen.press("\r");
    screen.wait_for("reference ");
    screen.press("q");
    screen.wait_until("the screen from before", |screen| !screen.alternate_screen());
    assert!(screen.child.wait().unwrap().success());
    assert_eq!(std::fs::read(home.wallet()).unwrap(), before);
}

/// Who ends the view from elsewhere finds the terminal as it was.
#[test]
fn a_signal_gives_the_terminal_back() {
    let home = Home::with_coins();
    for signal in ["TERM", "INT", "HUP"] {
        let mut screen = Screen::start(&home);
        let raw = LocalModes::ICANON | LocalModes::ECHO;
        let process = screen.child.id().to_string();
        screen.wait_for("user alice");
        assert!(!modes_of(&screen).intersects(raw), "{signal}");
        let kill = Command::new("kill").args(["-s", signal, &process]).status().unwrap();
        assert!(kill.success());
        screen.wait_until("the screen from before", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        assert_eq!(screen.child.wait().unwrap().code(), Some(1), "{signal}");
        assert!(modes_of(&screen).contains(raw), "{signal}");
    }
}

fn modes_of(screen: &Screen) -> LocalModes {
    tcgetattr(&screen.keyboard).unwrap().local_modes
}

#[test]
fn a_terminal_without_a_cursor_gets_no_view() {
    let mut screen = Screen::start_on(&Home::with_coins(), "dumb");
    screen.wait_for("expected a command, or a terminal");
    assert_eq!(screen.child.wait().unwrap().code(), Some(2));
}

#[test]
fn without_a_terminal_a_command_is_needed() {
    let output = Home::with_coins().run(&[]);
    assert_eq!(status(&output), 2, "{output:?}");
    assert!(stderr(&output).contains("expected a command"), "{output:?}");
}

/// What cannot be shown is an error on a terminal that was not touched.
#[test]
fn a_missing_wallet_is_an_error() {
    let mut screen = Screen::start(&Home::new());
    screen.wait_for("there is no wallet at");
    assert_eq!(screen.child.wait().unwrap().code(), Some(1));
    assert!(screen.terminal.screen().contents().starts_with("mmwallet: "));
}
