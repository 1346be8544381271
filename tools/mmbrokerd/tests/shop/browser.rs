//! A running broker with pages, and browsers that visit it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use mmbrokerd::http::{App, Listening, listen};
use mmbrokerd::shop::ShopSettings;

use crate::databases::Database;
use crate::world::{World, world};

/// The public URL of the broker.
pub(crate) const ORIGIN: &str = "https://broker.example";
/// A password that is good enough.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A running broker.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) address: String,
    _server: Listening,
}

/// A browser, with its cookies.
#[derive(Clone)]
pub(crate) struct Browser {
    address: String,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) language: &'static str,
    /// What it says about the page that sends a form.
    pub(crate) site: &'static str,
    /// The client's address, as a proxy on this machine says.
    pub(crate) from: &'static str,
    /// The page that sends a form; empty if the browser does not say it.
    pub(crate) page: &'static str,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
}

pub(crate) async fn site(database: Database) -> Site {
    site_with(database, ShopSettings::default()).await
}

pub(crate) async fn site_with(database: Database, settings: ShopSettings) -> Site {
    site_at(database, ORIGIN, settings).await
}

pub(crate) async fn site_at(database: Database, url: &str, settings: ShopSettings) -> Site {
    let world = world(database).await;
    let (address, server) = serve(&world, url, settings).await;
    Site { world, address, _server: server }
}

async fn serve(world: &World, url: &str, settings: ShopSettings) -> (String, Listening) {
    let settings = ShopSettings { password_kib: 64, ..settings };
    let app = App::new(Arc::clone(&world.service), url, 20, settings);
    let server = listen(Arc::new(app), "127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    (format!("http://{}", server.address()), server)
}

impl Site {
    /// The same broker started again.
    pub(crate) async fn restarted(self) -> Site {
        self.restarted_with(ShopSettings::default()).await
    }

    /// The same broker started again with other settings.
    pub(crate) async fn restarted_with(self, settings: ShopSettings) -> Site {
        let (address, server) = serve(&self.world, ORIGIN, settings).await;
        Site { world: self.world, address, _server: server }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser {
            address: self.address.clone(),
            cookies: BTreeMap::new(),
            language: "en",
            site: "same-origin",
            from: "198.51.100.1",
            page: "",
        }
    }

    /// A browser in which a new person is logged in, and the person's name.
    pub(crate) fn reader(&self) -> (Browser, String) {
        let mut browser = self.browser();
        let page = browser.get("/register");
        let name = page.value("/register", "user");
        let answer = browser.send(&page, "/register", &[("password", PASSWORD)]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.text);
        (browser, name)
    }

    /// A browser in which a person with a role is logged in.
    pub(crate) async fn operator(&self, name: &str, role: mmbrokerd::shop::Role) -> Browser {
        let user = name.parse().unwrap();
        let password = mmbrokerd::shop::set_person(&self.world.service, &user, role).await.unwrap();
        let mut browser = self.browser();
        let answer = browser.login(name, &password);
        assert_eq!(answer.status, 303, "{}", answer.text);
        browser
    }
}

/// The path behind a link, if it is on a page.
pub(crate) fn link(page: &Seen, words: &str) -> Option<String> {
    let before = page.text.split(&format!("\">{words}</a>")).next()?;
    let is_there = before.len() < page.text.len();
    is_there.then(|| before.rsplit("href=\"").next().unwrap().replace("&#38;", "&"))
}

impl Browser {
    /// Goes on at a broker that was started again.
    pub(crate) fn at(&mut self, site: &Site) {
        self.address.clone_from(&site.address);
    }

    pub(crate) fn get(&mut self, path: &str) -> Seen {
        let request = agent()
            .get(format!("{}{path}", self.address))
            .header("Cookie", self.cookie_header())
            .header("Accept-Language", self.language)
            .header("X-Forwarded-For", self.from);
        self.taken(request.call().unwrap())
    }

    /// The broker's answer to a browser that followed a link on a page of any site.
    pub(crate) fn follow_link(&mut self, path: &str, from: &str) -> Seen {
        let request = agent()
            .get(format!("{}{path}", self.address))
            .header("Cookie", self.cookie_header())
            .header("Accept", "text/html,*/*;q=0.8")
            .header("Referer", from);
        self.taken(request.call().unwrap())
    }

    /// Sends a form that was seen on a page, with its hidden fields, and these.
    pub(crate) fn send(&mut self, page: &Seen, action: &str, fields: &[(&str, &str)]) -> Seen {
        let mut all = page.hidden(action);
        for (name, value) in fields {
            all.insert(name.to_string(), value.to_string());
        }
        let all: Vec<(&str, &str)> =
            all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(action, &all)
    }

    /// Sends these fields.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.post_bytes(path, body.finish().as_bytes())
    }

    pub(crate) fn post_bytes(&mut self, path: &str, body: &[u8]) -> Seen {
        let mut request = agent()
            .post(format!("{}{path}", self.address))
            .header("Cookie", self.cookie_header())
            .header("Accept-Language", self.language)
            .header("X-Forwarded-For", self.from)
            .header("Content-Type", "application/x-www-form-urlencoded");
        if !self.page.is_empty() {
            request = request.header("Referer", self.page);
        }
        if !self.site.is_empty() {
            request = request.header("Sec-Fetch-Site", self.site);
        }
        self.taken(request.send(body).unwrap())
    }

    pub(crate) fn login(&mut self, name: &str, password: &str) -> Seen {
        self.post("/login", &[("user", name), ("password", password)])
    }

    /// Goes where a redirect leads.
    pub(crate) fn follow(&mut self, answer: &Seen) -> Seen {
        assert_eq!(answer.status, 303, "{}", answer.text);
        let path = answer.header("location").unwrap().to_string();
        self.get(&path)
    }

    pub(crate) fn cookie_header(&self) -> String {
        let pairs: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn taken(&mut self, response: ureq::http::Response<ureq::Body>) -> Seen {
        let status = response.status().as_u16();
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_string()))
            .collect();
        for (_, cookie) in headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (pair, rest) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_string(), value.to_string());
            }
        }
        let mut bytes = Vec::new();
        response.into_body().into_reader().read_to_end(&mut bytes).unwrap();
        let text = unbroken(&String::from_utf8_lossy(&bytes));
        Seen { status, headers, bytes, text }
    }
}

/// The text of a page without the marks around dates and amounts, which only styles need.
fn unbroken(text: &str) -> String {
    let mut pieces = text.split("<span class=\"nowrap\">");
    let first = pieces.next().unwrap_or_default().to_string();
    pieces.fold(first, |text, piece| text + &piece.replacen("</span>", "", 1))
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    let config = config.max_redirects(0).max_redirects_will_error(false);
    config.timeout_global(Some(std::time::Duration::from_secs(120))).build().into()
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The HTML of a form.
    fn form(&self, action: &str) -> &str {
        let start = self.text.find(&format!("action=\"{action}\""));
        let start = start.unwrap_or_else(|| panic!("no form {action} in {}", self.text));
        let end = self.text[start..].find("</form>").unwrap();
        &self.text[start..start + end]
    }

    /// The inputs of a form that have a value.
    pub(crate) fn hidden(&self, action: &str) -> BTreeMap<String, String> {
        let inputs = self.form(action).split("<input ").skip(1);
        let pair = |input: &str| {
            let input = input.split('>').next().unwrap();
            Some((attribute(input, "name")?, attribute(input, "value")?))
        };
        inputs.filter_map(pair).collect()
    }

    pub(crate) fn value(&self, action: &str, name: &str) -> String {
        self.hidden(action).remove(name).unwrap_or_else(|| panic!("no {name} in {action}"))
    }

    /// Asserts that a page says something.
    #[track_caller]
    pub(crate) fn says(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(words), "no {words:?} in {}", self.text);
    }
}

fn attribute(input: &str, name: &str) -> Option<String> {
    let (_, rest) = input.split_once(&format!("{name}=\""))?;
    let value = rest.split('"').next()?;
    Some(
        value
            .replace("&#38;", "&")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#34;", "\""),
    )
}
