//! The options of `mmwallet get`. Where an option has a name of curl, it means what it means there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::error::Error as ClapError;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use micromint::text_file::decode;
use micromint_console::{EXIT_OK, ToolError, read_input, tell};
use mmwallet::get::{self, Cookie, GetOptions, Manners, RemoteName, Resume, Retry};
use mmwallet::limits::{LimitArgs, TaskArgs};
use mmwallet::mcp::AskedPage;
use mmwallet::settings::Settings;
use mmwallet::wallet_file::WalletFile;

use crate::NetArgs;

/// The largest body that `-d` sends, in bytes.
const BODY_SIZE_MAX: usize = 16 * 1024 * 1024;
/// The largest file of cookies, headers or a format that is read, in bytes.
const FILE_SIZE_MAX: usize = 1024 * 1024;
/// The longest time that an option can name, in seconds.
const SECONDS_MAX: f64 = 1e7;

#[derive(Args)]
pub(crate) struct GetArgs {
    /// The URLs of the pages, fetched one after the other.
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// Read the URL and what asked for the page from standard input, a line each, and end when
    /// standard input ends: for `mmwallet mcp`, since other users can read command lines. The URL
    /// here is then -.
    #[arg(long, hide = true, conflicts_with = "asked")]
    page_from_stdin: bool,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    task: TaskArgs,
    /// Send the payment in a header instead of the body of a POST.
    #[arg(long)]
    pay_in_header: bool,
    /// Do not wait if the vendor does not know the coins yet, because you bought them a moment ago.
    /// Without this option the same payment is sent again for two minutes.
    #[arg(long)]
    no_wait: bool,

    #[command(flatten)]
    targets: Targets,
    /// Write the files of -o and -O into this folder.
    #[arg(long, value_name = "FOLDER")]
    output_dir: Option<PathBuf>,
    /// With -O: name the file after the header Content-Disposition, if the server sends one. A file
    /// that exists is not overwritten: the new name gets a number.
    #[arg(short = 'J', long)]
    remote_header_name: bool,
    /// Continue a download from byte OFFSET, or with - from the end of the file that exists.
    #[arg(short = 'C', long, value_name = "OFFSET", value_parser = resume)]
    continue_at: Option<Resume>,
    /// Print the status line and headers of the response before the content.
    #[arg(short, long)]
    include: bool,
    /// Fetch only the head of the page, and print it. A HEAD request is never charged.
    #[arg(short = 'I', long, conflicts_with_all = ["data", "request"])]
    head: bool,
    /// Print no messages about successful payments, and no warnings about expiring coins.
    #[arg(short, long)]
    silent: bool,
    /// Show errors even with --silent. They are always shown; the option is for scripts that were
    /// written for curl.
    #[arg(short = 'S', long)]
    show_error: bool,
    /// Write no content of a response with an HTTP status of 400 or more. The exit status is 6
    /// with and without this option.
    #[arg(short, long)]
    fail: bool,
    /// Print this afterwards: text with variables such as %{http_code}, %{size_download},
    /// %{url_effective}, %{coins_paid} and %{json}; @FILE reads it from a file.
    #[arg(short, long, value_name = "FORMAT")]
    write_out: Option<String>,

    /// Follow redirects before paying. A payment never follows a redirect.
    #[arg(short = 'L', long)]
    location: bool,
    /// Follow at most this many redirects.
    #[arg(long, value_name = "N", default_value_t = 50)]
    max_redirs: u32,
    /// The HTTP method [default: GET, HEAD with -I, or POST with --data].
    #[arg(short = 'X', long, value_name = "METHOD")]
    request: Option<String>,
    /// Send this header; can be repeated. "NAME:" leaves out a header, "NAME;" sends it empty,
    /// @FILE reads headers from a file, one per line.
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Send this body; @FILE reads it from a file. The method is then POST unless -X names another.
    #[arg(short, long, value_name = "DATA")]
    data: Option<String>,
    /// Send this User-Agent; an empty one sends none.
    #[arg(short = 'A', long, value_name = "NAME")]
    user_agent: Option<String>,
    /// Send these cookies, NAME=VALUE; or, without =, those in this file, in the format of
    /// Netscape. Can be repeated.
    #[arg(short = 'b', long, value_name = "COOKIES|FILE")]
    cookie: Vec<String>,
    /// Send this Referer. With ";auto" at the end, a redirect that is followed sends the URL that
    /// led there.
    #[arg(short = 'e', long, value_name = "URL")]
    referer: Option<String>,
    /// Your name and password at this site (basic authentication). Without a password, you are
    /// asked for it. Both go to the site of the URL and to no other.
    #[arg(short, long, value_name = "NAME:PASSWORD")]
    user: Option<String>,
    /// Fetch only these bytes, such as 0-499 or 500-.
    #[arg(short, long, value_name = "RANGE", conflicts_with = "continue_at")]
    range: Option<String>,
    /// Accept at most this many bytes of content.
    #[arg(long, value_name = "BYTES")]
    max_filesize: Option<u64>,
    /// Ask for compressed content (gzip or deflate), and decompress it.
    #[arg(long)]
    compressed: bool,

    /// Try again at most N times after a time limit, a lost answer, or HTTP status 408, 429, 500,
    /// 502, 503 or 504. A payment is sent again with the same coins.
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry: u32,
    /// Wait this long before each further try, instead of 1 s, 2 s, 4 s and so on.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    retry_delay: Option<Duration>,
    /// Begin no further try after this time.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    retry_max_time: Option<Duration>,
    /// Try again also if nothing listens at the port.
    #[arg(long)]
    retry_connrefused: bool,
    /// Try again after any failure.
    #[arg(long)]
    retry_all_errors: bool,
    #[command(flatten)]
    net: NetArgs,
}

/// Where the content of one URL goes.
#[derive(Clone, Debug)]
enum Target {
    File(PathBuf),
    RemoteName,
}

/// The options -o and -O, which belong to the URLs in their order on the command line.
#[derive(Clone, Debug, Default)]
struct Targets(Vec<Target>);

impl Args for Targets {
    fn augment_args(command: Command) -> Command {
        command
            .arg(
                Arg::new("output")
                    .short('o')
                    .long("output")
                    .value_name("FILE")
                    .action(ArgAction::Append)
                    .value_parser(value_parser!(PathBuf))
                    .help(
                        "Write the content to this file instead of standard output; - is standard \
                        output. A file of MicroMint is never overwritten. With several URLs, the \
                        first -o or -O is for the first URL, and so on",
                    ),
            )
            .arg(
                Arg::new("remote_name")
                    .short('O')
                    .long("remote-name")
                    .action(ArgAction::Append)
                    .num_args(0)
                    .default_missing_value("")
                    .value_parser(value_parser!(OsString))
                    .help("Write the content to a file with the name at the end of the URL"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Targets::augment_args(command)
    }
}

impl FromArgMatches for Targets {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Targets, ClapError> {
        let mut found: Vec<(usize, Target)> = Vec::new();
        if let (Some(indices), Some(files)) =
            (matches.indices_of("output"), matches.get_many::<PathBuf>("output"))
        {
            found.extend(indices.zip(files.map(|file| Target::File(file.clone()))));
        }
        if let Some(indices) = matches.indices_of("remote_name") {
            found.extend(indices.map(|index| (index, Target::RemoteName)));
        }
        found.sort_by_key(|(index, _)| *index);
        Ok(Targets(found.into_iter().map(|(_, target)| target).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), ClapError> {
        *self = Targets::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What the options of a command hold once their files are read.
struct Read {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cookies: Vec<Cookie>,
    write_out: Option<String>,
    used: Vec<(PathBuf, &'static str)>,
    /// The page of standard input.
    page: Option<AskedPage>,
}

pub(crate) fn run(
    args: &GetArgs,
    wallet: &WalletFile,
    settings: &Settings,
) -> Result<u8, ToolError> {
    if args.remote_header_name && args.continue_at.is_some() {
        return Err("-J and -C cannot be used together: the name is known too late".into());
    }
    if args.continue_at.is_some() && args.targets.0.is_empty() {
        return Err("-C needs -o or -O: the file to go on with".into());
    }
    let mut read = args.read()?;
    if args.page_from_stdin {
        read.page = Some(AskedPage::from_stdin()?);
    }
    if let Some(cacert) = args.net.cacert.as_ref().or(settings.cacert.as_ref()) {
        read.used.push((cacert.clone(), "the file of certificates"));
    }
    let client = args.net.client(settings)?;
    let urls = match &read.page {
        Some(page) => std::slice::from_ref(&page.url),
        None => &args.urls,
    };
    let mut status = EXIT_OK;
    for (i, url) in urls.iter().enumerate() {
        let result = args.get_one(url, args.targets.0.get(i), &read, &client, wallet, settings);
        let one = match result {
            Ok(one) => one,
            // A page that fails does not keep the others from being fetched.
            Err(error) if urls.len() > 1 => {
                tell!("mmwallet: error: {url}: {}", micromint::error::chain(error.as_ref()));
                micromint_console::EXIT_FAILURE
            }
            Err(error) => return Err(error),
        };
        if one != EXIT_OK {
            status = one;
        }
    }
    Ok(status)
}

impl GetArgs {
    fn get_one(
        &self,
        url: &str,
        target: Option<&Target>,
        read: &Read,
        client: &mmwallet::net::Client,
        wallet: &WalletFile,
        settings: &Settings,
    ) -> Result<u8, ToolError> {
        let folder = self.output_dir.clone().unwrap_or_else(|| PathBuf::from("."));
        let (mut output, mut remote_name) = (None, None);
        match target {
            Some(Target::File(file)) if self.output_dir.is_some() && file != Path::new("-") => {
                output = Some(folder.join(file));
            }
            Some(Target::File(file)) => output = Some(file.clone()),
            Some(Target::RemoteName) => {
                let prefers_header = self.remote_header_name;
                remote_name = Some(RemoteName { folder: &folder, prefers_header });
            }
            None => {}
        }
        let method = match (&self.request, self.head, &self.data) {
            (Some(method), _, _) => method.as_str(),
            (None, true, _) => "HEAD",
            (None, false, Some(_)) => "POST",
            (None, false, None) => "GET",
        };
        let purpose = match &read.page {
            Some(page) => self.task.purpose_of(&page.asked)?,
            None => self.task.purpose()?,
        };
        let options = GetOptions {
            url,
            method,
            headers: &read.headers,
            body: &read.body,
            output: output.as_deref(),
            include_head: self.include || self.head,
            silent: self.silent,
            redirects_max: self.max_redirs,
            pay_in_header: self.pay_in_header,
            waits: !self.no_wait,
            policy: self.task.limited(self.limits.policy(settings), settings),
            purpose: purpose.as_ref(),
            manners: Manners {
                follow: self.location,
                fail: self.fail,
                compressed: self.compressed,
                refers: self.referer.as_deref().is_some_and(|referer| referer.ends_with(";auto")),
                cookies: &read.cookies,
                resume: self.continue_at,
                remote_name,
                write_out: read.write_out.as_deref(),
                size_max: self.max_filesize,
                retry: Retry {
                    count: self.retry,
                    delay: self.retry_delay,
                    time_max: self.retry_max_time,
                    on_refused: self.retry_connrefused,
                    on_all_errors: self.retry_all_errors,
                },
                used: &read.used,
            },
        };
        get::get(&options, client, wallet, settings)
    }

    /// Reads the files that options name, and makes headers of those that are headers.
    fn read(&self) -> Result<Read, ToolError> {
        let mut read = Read {
            headers: Vec::new(),
            body: Vec::new(),
            cookies: Vec::new(),
            write_out: None,
            used: Vec::new(),
            page: None,
        };
        for header in &self.header {
            match header.strip_prefix('@') {
                Some(file) => {
                    for line in read.text(file, "the file of headers")?.lines() {
                        read.headers.extend(header_field(line)?);
                    }
                }
                None => read.headers.extend(header_field(header)?),
            }
        }
        match self.data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
            None => {}
            Some((_, Some(file))) => {
                read.body = read_input(Path::new(file), BODY_SIZE_MAX)?;
                read.used.push((file.into(), "the body"));
            }
            Some((data, None)) => read.body = data.as_bytes().to_vec(),
        }
        if let Some(agent) = &self.user_agent {
            read.set("User-Agent", agent.clone());
        }
        if let Some(referer) = self.referer.as_deref().map(|r| r.trim_end_matches(";auto"))
            && !referer.is_empty()
        {
            read.set("Referer", referer.to_string());
        }
        for cookie in &self.cookie {
            match cookie.contains('=') {
                true => read.add_cookie(cookie),
                false => {
                    let text = read.text(cookie, "the file of cookies")?;
                    read.cookies.extend(Cookie::all_in(&text));
                }
            }
        }
        if let Some(user) = &self.user {
            let login = match user.contains(':') {
                true => user.clone(),
                false => format!("{user}:{}", asked_password(user)?),
            };
            read.set("Authorization", format!("Basic {}", STANDARD.encode(login)));
        }
        if let Some(range) = &self.range {
            read.set("Range", format!("bytes={range}"));
        }
        if self.compressed && !read.has("Accept-Encoding") {
            read.set("Accept-Encoding", "deflate, gzip".to_string());
        }
        read.write_out = match self.write_out.as_deref().map(|w| (w, w.strip_prefix('@'))) {
            Some((_, Some(file))) => Some(read.text(file, "the format")?),
            Some((format, None)) => Some(format.to_string()),
            None => None,
        };
        Ok(read)
    }
}

impl Read {
    fn text(&mut self, file: &str, what: &'static str) -> Result<String, ToolError> {
        let bytes = read_input(Path::new(file), FILE_SIZE_MAX)?;
        self.used.push((file.into(), what));
        Ok(decode(&bytes).map_err(|error| format!("{file}: {error}"))?.to_string())
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// Sets a header, unless -H gives it.
    fn set(&mut self, name: &str, value: String) {
        if !self.has(name) {
            self.headers.push((name.to_string(), value));
        }
    }

    fn add_cookie(&mut self, pairs: &str) {
        match self.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("cookie")) {
            Some((_, value)) => *value = format!("{value}; {pairs}"),
            None => self.headers.push(("Cookie".to_string(), pairs.to_string())),
        }
    }
}

/// `Name: value`; `Name;` is an empty header, and `Name:` leaves a header out. A blank line is
/// nothing.
fn header_field(text: &str) -> Result<Option<(String, String)>, ToolError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Some((name, value)) = text.split_once(':') {
        let (name, value) = (name.trim().to_string(), value.trim().to_string());
        // Only these two are sent unasked.
        let is_own = ["user-agent", "accept"].iter().any(|own| name.eq_ignore_ascii_case(own));
        return Ok((!value.is_empty() || is_own).then_some((name, value)));
    }
    match text.strip_suffix(';') {
        Some(name) => Ok(Some((name.trim().to_string(), String::new()))),
        // The text may be a secret, so it is not repeated.
        None => Err("-H: expected NAME: VALUE, found no colon".into()),
    }
}

fn asked_password(user: &str) -> Result<String, ToolError> {
    let prompt = format!("Password of {user}: ");
    Ok(rpassword::prompt_password(prompt)
        .map_err(|error| format!("cannot ask for a password: {error}; use -u NAME:PASSWORD"))?)
}

fn resume(text: &str) -> Result<Resume, String> {
    match text {
        "-" => Ok(Resume::Here),
        _ => {
            text.parse().map(Resume::At).map_err(|_| "expected - or a number of bytes".to_string())
        }
    }
}

/// A number of seconds, which may have decimals.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let number: Option<f64> = text.parse().ok();
    match number.filter(|number| (0.0..=SECONDS_MAX).contains(number)) {
        Some(number) => Ok(Duration::from_secs_f64(number)),
        None => Err(format!("expected a number of seconds from 0 to {SECONDS_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: GetArgs,
    }

    fn parsed(line: &str) -> GetArgs {
        Line::try_parse_from(format!("get {line}").split(' ')).unwrap().args
    }

    #[test]
    fn outputs_belong_to_urls_in_their_order() {
        let args = parsed("-O -o a http://x/1 -O http://x/2 -o - http://x/3");
        let targets: Vec<String> =
            args.targets.0.iter().map(|target| format!("{target:?}")).collect();
        assert_eq!(targets, ["RemoteName", "File(\"a\")", "RemoteName", "File(\"-\")"]);
        assert_eq!(args.urls.len(), 3);
        assert!(parsed("-sSLfO http://x/1").location);
    }

    #[test]
    fn options_that_are_headers_become_headers() {
        let args =
            parsed("-A me -e http://r/;auto -b a=1 -b b=2 -u n:p -r 0-9 --compressed http://x/");
        let headers = args.read().unwrap().headers;
        let expected = [
            ("User-Agent", "me"),
            ("Referer", "http://r/"),
            ("Cookie", "a=1; b=2"),
            ("Authorization", "Basic bjpw"),
            ("Range", "bytes=0-9"),
            ("Accept-Encoding", "deflate, gzip"),
        ];
        let expected = expected.map(|(name, value)| (name.to_string(), value.to_string()));
        assert_eq!(headers, expected);
        let given = parsed(
            "-H User-Agent:mine -A me -H Cookie:a=1 -b b=2 -H X-Empty; -H X-Gone: http://x/",
        );
        let expected = [("User-Agent", "mine"), ("Cookie", "a=1; b=2"), ("X-Empty", "")];
        let expected = expected.map(|(name, value)| (name.to_string(), value.to_string()));
        assert_eq!(given.read().unwrap().headers, expected);
        let error = parsed("-H secret http://x/").read().err().unwrap().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn seconds_may_have_decimals() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["-1", "1e8", "NaN", "inf", "soon", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
