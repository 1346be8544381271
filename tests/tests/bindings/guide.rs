//! The programs of `docs/guide/{python,php,go,node,ruby}.md`, word for word: each sells its page.

use std::path::Path;
use std::process::Command;

use micromint_servers::bindings::{Application, Running, library, selected};
use micromint_servers::client::RequestText;
use micromint_servers::free_port;
use micromint_servers::payer::payment;
use micromint_servers::server::word;
use micromint_servers::site::Site;

/// A program of a guide: the language, the file of its block, and the command that starts it.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("python", "app.py", "gunicorn --bind 127.0.0.1:8000 app:application"),
    ("python", "asgi_app.py", "uvicorn --host 127.0.0.1 --port 8000 asgi_app:application"),
    ("php", "story.php", "php -d ffi.enable=true -S 127.0.0.1:8000 story.php"),
    ("go", "main.go", "go run ."),
    ("node", "express.js", "node express.js"),
    ("node", "fastify.js", "node fastify.js"),
    ("ruby", "config.ru", "puma --bind tcp://127.0.0.1:8000"),
];
const CONFIG: &str = "/etc/micromint/vendor.toml";

#[test]
fn the_programs_of_the_guides_sell_their_pages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    for application in selected() {
        for (language, file, command) in PROGRAMS {
            // Once for each language.
            let is_first = selected()
                .iter()
                .find(|it| it.language == *language)
                .is_some_and(|it| it.kind == application.kind);
            if application.language == *language && is_first {
                sells(&root, application, file, command);
            }
        }
    }
}

fn sells(root: &Path, application: Application, file: &str, command: &str) {
    let language = application.language;
    let page = std::fs::read_to_string(root.join(format!("docs/guide/{language}.md"))).unwrap();
    assert!(page.contains(command), "docs/guide/{language}.md: expected {command:?}");
    let port = free_port();
    let adapt = |text: &str| text.replace("8000", &port.to_string());
    let site = Site::new();
    site.write(
        "vendor.toml",
        &adapt(
            "vendor-id = \"localhost\"\norigins = [\"http://localhost:8000\"]\n\
             periods = \"periods\"\ntill = \"till\"\nreceipt-time = 3600\n",
        ),
    );
    let config = site.path("vendor.toml");
    let program = adapt(&block(&page, file)).replace(CONFIG, config.to_str().unwrap());
    site.write(&format!("app/{file}"), &program);
    let package = root.join("bindings").join(language);
    let built = root.join("target/bindings");
    if language == "go" {
        site.write(
            "app/go.mod",
            &format!(
                "module example\n\ngo 1.19\n\nrequire github.com/micromint/micromint/bindings/go v0.0.0\n\n\
                 replace github.com/micromint/micromint/bindings/go => {}\n",
                package.display()
            ),
        );
    }
    let listen = format!("127.0.0.1:{port}");
    let running = Running::start(application, &site, &listen, |started| {
        let log = std::fs::File::options().append(true).open(site.path("logs/application.log"));
        let log = log.unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {}", adapt(command))]);
        shell.current_dir(site.path("app")).stdout(log.try_clone().unwrap()).stderr(log);
        let path = std::env::var("PATH").unwrap();
        shell.env("PATH", format!("{}:{path}", built.join("venv/bin").display()));
        shell.env("MICROMINT_LIBRARY", library());
        shell.env(
            "NODE_PATH",
            format!(
                "{}:{}",
                root.join("bindings/node/..").display(),
                built.join("node/node_modules").display()
            ),
        );
        shell.env("RUBYLIB", package.join("lib"));
        shell.env("MICROMINT_PHP", package.join("autoload.php"));
        shell.env("PKG_CONFIG_PATH", built.join("pkgconfig"));
        shell.env("CGO_LDFLAGS", format!("-Wl,-rpath,{}", built.join("lib").display()));
        shell.env("GOFLAGS", "-mod=mod").env("GOPROXY", "off");
        *started = shell;
    });
    let host = format!("localhost:{port}");
    let get = |target: &str| {
        let mut request = RequestText::get(target);
        request.headers = vec![("Host".to_string(), host.clone())];
        request
    };
    let name = format!("{language} {file}\n{}", running.log());
    assert_eq!(running.ask(&get("/story")).short(), word(402, "unpaid"), "{name}");
    let paid = get("/story").with_payment(&payment(&format!("http://{host}/story"), 1));
    let answer = running.ask(&paid);
    assert_eq!(answer.short(), word(200, "paid"), "{name}\n{}", running.log());
    assert!(answer.body.contains("the story"), "{name}: {answer:?}");
    assert_eq!(running.ask(&paid).short(), word(200, "retry"), "{name}");
}

/// The block of a guide after the line that names its file: "`FILE`:".
fn block(page: &str, file: &str) -> String {
    let (_, after) = page
        .split_once(&format!("`{file}`:\n\n```"))
        .unwrap_or_else(|| panic!("expected a block of {file}"));
    let (_, code) = after.split_once('\n').unwrap();
    code.split_once("```").unwrap().0.to_string()
}
