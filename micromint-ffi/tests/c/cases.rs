//! Plays the cases of `testdata/cases/*.toml` against paywalls in C (`player.c`), one after the
//! other in one process, each with a folder of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use micromint_core::testing::cases::{
    Asked, Case, CaseStep, Client, FILE_SIZE, Seen, accepted_mints, compare, file_modified_at,
    first_request_at, for_servers,
};

use crate::library;

const ETAG: &str = "\"5f-64\"";

/// Plays every case; returns the number of steps, and the deviations.
pub(crate) fn play(program: &Path) -> (usize, Vec<String>) {
    let (mut failures, mut count) = (Vec::new(), 0);
    let mut player = Player::new(program);
    for (file, case) in for_servers() {
        let mut stage = Stage::new(&mut player, &case);
        for (number, step) in case.step.iter().enumerate() {
            count += 1;
            let seen = stage.play(step);
            if let Err(difference) = compare(&seen, &step.expect) {
                failures.push(format!("{file}: {}, step {}: {difference}", case.name, number + 1));
            }
        }
    }
    player.end();
    (count, failures)
}

/// The running program.
struct Player {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// One vendor from its first request on.
struct Stage<'a> {
    player: &'a mut Player,
    folder: tempfile::TempDir,
    client: Client,
    now: i64,
}

impl Player {
    fn new(program: &Path) -> Player {
        let mut command = library::command(program);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Player { process, input, output: BufReader::new(output) }
    }

    fn send(&mut self, frames: &Frames) {
        self.input.write_all(&frames.0).unwrap();
    }

    fn frame(&mut self) -> (String, String) {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).unwrap() > 0, "the player has ended");
        let (name, len) = line.trim_end().split_once(' ').unwrap();
        let mut content = vec![0; len.parse::<usize>().unwrap() + 1];
        self.output.read_exact(&mut content).unwrap();
        content.pop();
        (name.to_string(), String::from_utf8(content).unwrap())
    }

    fn end(self) {
        let Player { mut process, input, .. } = self;
        drop(input);
        assert!(process.wait().unwrap().success());
    }
}

impl Stage<'_> {
    fn new<'a>(player: &'a mut Player, case: &Case) -> Stage<'a> {
        let folder = tempfile::tempdir().unwrap();
        let periods = folder.path().join("periods");
        std::fs::create_dir(&periods).unwrap();
        for params in accepted_mints().iter().map(|mint| mint.params()) {
            std::fs::write(periods.join(format!("{}.params", params.period())), params.to_toml())
                .unwrap();
        }
        let config = folder.path().join("vendor.toml");
        std::fs::write(&config, case.config()).unwrap();
        if let Some(prices) = &case.prices {
            std::fs::write(folder.path().join("prices.toml"), prices).unwrap();
        }
        if let Some(keys) = &case.bot_keys {
            std::fs::write(folder.path().join("bot-keys.toml"), keys).unwrap();
        }
        let now = first_request_at().0;
        let mut frames = Frames(Vec::new());
        frames.add("now", now.to_string());
        frames.add("open", config.to_str().unwrap());
        player.send(&frames);
        assert_eq!(player.frame().0, "ready", "{}", case.name);
        Stage { player, folder, client: Client::default(), now }
    }

    fn play(&mut self, step: &CaseStep) -> Seen {
        self.now += step.after;
        for (name, content) in step.put_files() {
            let path = match name.strip_prefix("till/") {
                Some(name) => self.folder.path().join("till").join(name),
                None => self.folder.path().join("periods").join(name),
            };
            std::fs::write(path, content).unwrap();
        }
        if step.till_fails {
            std::fs::remove_dir_all(self.folder.path().join("till")).unwrap();
        }
        let asked = self.client.ask(step, ETAG);
        self.send(step, &asked);
        let seen = self.receive(step, &asked);
        self.client.keep_cookies(&seen);
        seen
    }

    fn send(&mut self, step: &CaseStep, asked: &Asked) {
        let mut frames = Frames(Vec::new());
        frames.add("now", self.now.to_string());
        frames.add("method", &step.method);
        frames.add("target", &step.target);
        frames.add("host", &step.host);
        frames.add("client", step.client.to_string());
        frames.add("price", step.price.to_string());
        frames.add("free-views", step.free_views.to_string());
        frames.add("content", step.content.to_string());
        if let Some(path) = &step.receipt_path {
            frames.add("receipt-path", path);
        }
        if !step.http {
            frames.add("https", "");
        }
        if step.dry_run {
            frames.add("dry-run", "");
        }
        if step.charges_redirects {
            frames.add("charges-redirects", "");
        }
        if step.file {
            frames.add("etag", ETAG);
            frames.add("modified", file_modified_at().0.to_string());
            frames.add("size", FILE_SIZE.to_string());
        }
        for (name, value) in &asked.headers {
            frames.add("header", format!("{name}: {value}"));
        }
        for (name, value) in &step.content_headers {
            frames.add("content-header", format!("{name}: {value}"));
        }
        if let Some(body) = &asked.body {
            frames.add("body", body);
        }
        frames.add("go", "");
        self.player.send(&frames);
    }

    fn receive(&mut self, step: &CaseStep, asked: &Asked) -> Seen {
        let mut seen = Seen { body: "content".to_string(), ..Seen::default() };
        let mut stripped = Vec::new();
        loop {
            let (name, content) = self.player.frame();
            match name.as_str() {
                "status" => seen.status = content.parse().unwrap(),
                "field" => {
                    let (name, value) = content.split_once(": ").unwrap();
                    seen.headers.push((name.to_string(), value.to_string()));
                }
                "body" => seen.body = content,
                "as-get" => {
                    let method = if content == "yes" { "GET" } else { step.method.as_str() };
                    seen.content_method = Some(method.to_string());
                }
                "strip" => stripped.push(content),
                "event" => seen.event = content,
                "log" => seen.log = content,
                "end" => break,
                other => panic!("{other:?} is no frame"),
            }
        }
        if seen.content_method.is_some() {
            let framing = ["Content-Length", "Transfer-Encoding"]
                .into_iter()
                .filter(|_| asked.body.is_some());
            let sent = asked.headers.iter().map(|(name, _)| name.as_str()).chain(framing);
            let is_out = |name: &str| stripped.iter().any(|out| out.eq_ignore_ascii_case(name));
            seen.content_fields =
                Some(sent.filter(|name| !is_out(name)).map(str::to_string).collect());
        }
        seen
    }
}

struct Frames(Vec<u8>);

impl Frames {
    fn add(&mut self, name: &str, content: impl AsRef<[u8]>) {
        let content = content.as_ref();
        self.0.extend(format!("{name} {}\n", content.len()).bytes());
        self.0.extend(content);
        self.0.push(b'\n');
    }
}
