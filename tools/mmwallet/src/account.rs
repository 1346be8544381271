//! `mmwallet login`, `buy` and `complain`: the account at a broker's service.
//!
//! Input: the broker's URL and an API key. Output: a file beside the wallet that keeps them; later,
//! coins. The invariant: the key is sent to the broker for which it was given and to no other, and
//! the file is readable by its owner only.

use std::path::{Path, PathBuf};

use micromint::error::chain;
use micromint::identity::UserId;
use micromint::money::Money;
use micromint_console::{
    EXIT_FAILURE, EXIT_OK, ToolError, input_name, one_line, read_secret_input, replace_secret_file,
    say, tell,
};
use serde_json::Value;

use crate::answer::find_payment;
use crate::buy::{self, BuyOptions, named_otherwise};
use crate::exit;
use crate::login::{LoginOptions, secure_url};
use crate::net::Client;
use crate::wallet_file::WalletFile;

/// What an API key begins with.
const KEY_PREFIX: &str = "mmk_";
/// How many hexadecimal digits follow.
const KEY_DIGITS: usize = 64;
/// The largest login file, in bytes.
const LOGIN_SIZE_MAX: usize = 16 * 1024;
/// The longest words of a complaint that a broker takes, in bytes.
const COMPLAINT_TEXT_MAX: usize = 4096;
/// The largest answer about an account that is read, in bytes.
const ACCOUNT_SIZE_MAX: usize = 4 * 1024 * 1024;

/// A login that the wallet keeps: three lines, the key, the URL and the User-ID. The key comes
/// first, so that the file is also a password file.
struct Kept {
    path: PathBuf,
    url: String,
    user: UserId,
}

impl Kept {
    fn read(file: &WalletFile) -> Result<Kept, ToolError> {
        let path = file.login_path();
        if !path.exists() {
            return Err(
                "there is no login yet: mmwallet login URL --user NAME --key-file FILE".into()
            );
        }
        let text = read_secret_input(&path, LOGIN_SIZE_MAX)?;
        let mut lines = text.lines().skip(1);
        let (Some(url), Some(user)) = (lines.next(), lines.next()) else {
            return Err(format!("{}: expected key, URL and user", path.display()).into());
        };
        Ok(Kept { path, url: url.to_string(), user: user.parse()? })
    }

    fn login(&self) -> LoginOptions<'_> {
        LoginOptions { user: Some(self.user.as_str()), password_file: Some(&self.path) }
    }
}

/// Whether a text has the form of an API key.
fn is_api_key(text: &str) -> bool {
    let digits = text.strip_prefix(KEY_PREFIX);
    digits.is_some_and(|it| it.len() == KEY_DIGITS && it.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// Keeps an API key after the broker has accepted it, and shows the account.
///
/// # Errors
/// The URL is not secure, the broker does not accept the key, or the file cannot be written.
pub fn login(
    file: &WalletFile,
    client: &Client,
    url: &str,
    user: &UserId,
    key_file: &Path,
) -> Result<u8, ToolError> {
    let url = url.trim_end_matches('/');
    let text = read_secret_input(key_file, LOGIN_SIZE_MAX)?;
    let key = text.lines().next().unwrap_or_default().trim();
    if !is_api_key(key) {
        let found = if text.trim().is_empty() { "nothing" } else { "something else" };
        return Err(format!(
            "{}: expected a key of your account, {KEY_PREFIX} and {KEY_DIGITS} hexadecimal digits \
            in the first line, found {found}; nothing was sent",
            input_name(key_file)
        )
        .into());
    }
    secure_url(url)?;
    // The coins of a broker name its URL, and the wallet takes them from there only.
    match named_otherwise(client, url) {
        Ok(None) => {}
        Ok(Some(named)) => {
            return Err(format!(
                "{url} is the broker {named} under another name, and the wallet takes the coins of \
                {named} from there only; nothing was sent or kept. Log in there: mmwallet login \
                {named} --user {user} --key-file {}",
                key_file.display()
            )
            .into());
        }
        Err(error) => {
            tell!("mmwallet: {url}: {}; nothing was kept", chain(&error));
            return Ok(exit::NETWORK);
        }
    }
    let headers = [
        ("Authorization".to_string(), format!("Bearer {key}")),
        ("Accept".to_string(), "application/json".to_string()),
    ];
    let mut answer = match client.send("GET", &format!("{url}/v1/account"), &headers, b"") {
        Ok(answer) => answer,
        Err(error) => {
            tell!("mmwallet: {url}: {}; nothing was kept", chain(&error));
            return Ok(exit::NETWORK);
        }
    };
    let body = answer.read(ACCOUNT_SIZE_MAX)?;
    let account: Value = serde_json::from_slice(&body).unwrap_or_default();
    if answer.status != 200 {
        let why = detail_of(&account);
        tell!("mmwallet: {url}: HTTP status {}: {why}; nothing was kept", answer.status);
        return Ok(EXIT_FAILURE);
    }
    if account["user"] != user.as_str() {
        let found = account["user"].as_str().map_or("nobody".to_string(), one_line);
        return Err(format!("the key is that of {found}, not of {user}; nothing was kept").into());
    }
    file.make_directory()?;
    replace_secret_file(&file.login_path(), &format!("{key}\n{url}\n{user}\n"))?;
    let balances = balances_of(&account);
    say!("logged in as {user} at {url}; the account has {balances}");
    Ok(EXIT_OK)
}

/// Why the broker refused, in its words.
fn detail_of(answer: &Value) -> String {
    answer["detail"].as_str().map_or("no broker's service answers there".to_string(), one_line)
}

/// What the account has, in words. What is no amount is shown as the broker wrote it.
fn balances_of(account: &Value) -> String {
    let in_words = |text: &str| text.parse().map_or_else(|_| text.to_string(), Money::in_words);
    let balances = account["balances"].as_array().map_or(&[][..], Vec::as_slice);
    let balances: Vec<String> = balances.iter().filter_map(Value::as_str).map(in_words).collect();
    match balances.is_empty() {
        true => "nothing".to_string(),
        false => one_line(&balances.join(", ")),
    }
}

/// Buys sets with the login that the wallet keeps.
///
/// # Errors
/// There is no login, or as for [`buy::buy`].
pub fn buy(file: &WalletFile, client: &Client, sets: Option<u32>) -> Result<u8, ToolError> {
    let kept = Kept::read(file)?;
    let url = format!("{}{}", kept.url, buy::PURCHASES_PATH);
    let options = BuyOptions { url: &url, login: kept.login(), sets, transaction: None };
    buy::buy(file, client, &options)
}

/// Complains to the broker about the vendor of a payment. The same words about the same payment are
/// one complaint.
///
/// # Errors
/// The words are empty or too long, there is no login, the wallet knows no such payment, or the
/// broker is not that of its coins.
pub fn complain(
    file: &WalletFile,
    client: &Client,
    reference: &str,
    words: &str,
) -> Result<u8, ToolError> {
    if words.trim().is_empty() || words.len() > COMPLAINT_TEXT_MAX {
        return Err(format!(
            "expected words about what happened, at most {COMPLAINT_TEXT_MAX} bytes, found {} \
             bytes; nothing was sent",
            words.trim().len()
        )
        .into());
    }
    let kept = Kept::read(file)?;
    let wallet = file.look()?;
    let payment = &wallet.state().payments()[find_payment(wallet.state(), reference)? as usize];
    let broker = &wallet.state().holdings()[payment.holding].params.raw().broker;
    if secure_url(broker)?.origin() != secure_url(&kept.url)?.origin() {
        let url = &kept.url;
        return Err(format!("the coins are of {broker}, and the login is at {url}").into());
    }
    let complaint = serde_json::json!({
        "id": payment.reference(),
        "text": words,
        "payment": String::from_utf8_lossy(payment.message()),
    });
    let (login, origin) = (kept.login().bind(&kept.url)?, secure_url(&kept.url)?);
    let header = login.and_then(|login| login.header_for(&origin));
    let mut headers: Vec<(String, String)> = header.into_iter().collect();
    headers.push(("Content-Type".to_string(), "application/json".to_string()));
    headers.push(("Accept".to_string(), "application/json".to_string()));
    let url = format!("{}/v1/complaints", kept.url);
    let mut answer = match client.send("POST", &url, &headers, complaint.to_string().as_bytes()) {
        Ok(answer) => answer,
        Err(error) => {
            tell!("mmwallet: {url}: {}; send the same words again", chain(&error));
            return Ok(exit::NETWORK);
        }
    };
    let body = answer.read(ACCOUNT_SIZE_MAX)?;
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    let pages = format!("{}/complaints", kept.url);
    if answer.status == 200 {
        let (number, page) = match value["number"].as_u64() {
            Some(number) => (format!(" {number}"), format!("{pages}/{number}")),
            None => (String::new(), pages),
        };
        say!(
            "complaint{number} about {} with payment {} is at the broker; a person reads it. The \
            answers come at {page}",
            payment.vendor,
            payment.reference()
        );
        return Ok(EXIT_OK);
    }
    if value["title"] == "other-content" {
        tell!(
            "mmwallet: you have complained about payment {} before, in other words, and those \
            stand: there is one complaint about a payment. The answers come at {pages}",
            payment.reference()
        );
        return Ok(EXIT_FAILURE);
    }
    tell!("mmwallet: {url}: HTTP status {}: {}", answer.status, detail_of(&value));
    Ok(EXIT_FAILURE)
}
