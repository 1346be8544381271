//! Whether a request is signed by a known bot: HTTP Message Signatures (RFC 9421) as Web Bot Auth
//! (`draft-meunier-web-bot-auth-architecture`) uses them.
//!
//! Input: the fields Signature-Input, Signature and Signature-Agent, and keys. Output: yes or no.
//! The invariants: a signature counts only for the origin that the request is for, which the
//! vendor's configuration names and not the request; only while it is valid; and only with a
//! component that binds it to that origin. One signature is checked at most.

use std::borrow::Cow;

use sfv::{Dictionary, FieldType, InnerList, Item, List, ListEntry, Parser};

use super::keys::BotKeys;
use crate::time::{DAY_SECONDS, UnixTime};
use crate::vendor::origin::PublicRoot;
use crate::vendor::request::Request;

/// The longest value of each of the three fields, in bytes.
const SIGNATURE_FIELD_LEN_MAX: usize = 4096;
/// The longest time for which a signature may be valid, in seconds.
const SIGNATURE_SECONDS_MAX: i64 = DAY_SECONDS;
/// The largest number of components that a signature covers.
const COMPONENTS_MAX: usize = 16;
/// How far the clock of a bot may be ahead, in seconds.
const AHEAD_SECONDS_MAX: i64 = 60;

const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";
const AGENT: &str = "signature-agent";
const TAG: &str = "web-bot-auth";

/// Whether a request says that a bot signed it.
pub(super) fn claims_to_be_a_bot(request: &Request<'_>) -> bool {
    request.headers.iter().any(|(name, value)| {
        // Both names have this length: it rules out most fields.
        name.len() == INPUT.len()
            && (name.eq_ignore_ascii_case(AGENT.as_bytes())
                || (name.eq_ignore_ascii_case(INPUT.as_bytes())
                    && memchr::memmem::find(value, TAG.as_bytes()).is_some()))
    })
}

/// Whether a bot with one of these keys signed a request for a page at `root`.
pub(super) fn is_verified(
    request: &Request<'_>,
    root: &PublicRoot,
    keys: &BotKeys,
    now: UnixTime,
) -> bool {
    check(request, root, keys, now).is_some()
}

fn check(request: &Request<'_>, root: &PublicRoot, keys: &BotKeys, now: UnixTime) -> Option<()> {
    let inputs: Dictionary = parse(&field(request, INPUT)?)?;
    let (label, signed) = inputs.iter().find_map(|(label, entry)| match entry {
        ListEntry::InnerList(signed) if text_of(signed, "tag") == Some(TAG) => {
            Some((label.as_str(), signed))
        }
        _ => None,
    })?;
    is_timely(signed, now).then_some(())?;
    is_bound(request, signed).then_some(())?;
    if text_of(signed, "alg").is_some_and(|algorithm| algorithm != "ed25519") {
        return None;
    }
    let (key, agent) = keys.get(text_of(signed, "keyid")?)?;
    if has_field(request, AGENT) {
        let named = agent_of(request, signed)?;
        (named.trim_end_matches('/') == agent.as_str()).then_some(())?;
    }
    let base = signature_base(request, root, signed)?;
    let signatures: Dictionary = parse(&field(request, SIGNATURE)?)?;
    let ListEntry::Item(signature) = signatures.get(label)? else { return None };
    let signature: &[u8; 64] = signature.bare_item.as_byte_sequence()?.try_into().ok()?;
    key.verifies(base.as_bytes(), signature).then_some(())
}

/// Whether a signature is valid at `now`, and not for too long.
fn is_timely(signed: &InnerList, now: UnixTime) -> bool {
    let time = |name: &str| {
        let time = signed.params.get(name)?.as_integer()?;
        Some(i64::from(time))
    };
    let (Some(created), Some(expires)) = (time("created"), time("expires")) else { return false };
    created <= now.0.saturating_add(AHEAD_SECONDS_MAX)
        && now.0 < expires
        && created < expires
        && expires.saturating_sub(created) <= SIGNATURE_SECONDS_MAX
}

/// Whether a signature covers the origin that is asked, and the name of the bot if there is one.
fn is_bound(request: &Request<'_>, signed: &InnerList) -> bool {
    let names = || signed.items.iter().filter_map(name_of);
    let is_plain = |item: &&Item| item.params.is_empty();
    let has_origin = signed
        .items
        .iter()
        .filter(is_plain)
        .filter_map(name_of)
        .any(|name| matches!(name, "@authority" | "@target-uri"));
    has_origin && (!has_field(request, AGENT) || names().any(|name| name == AGENT))
}

/// What a signature is made of (RFC 9421, 2.5).
fn signature_base(request: &Request<'_>, root: &PublicRoot, signed: &InnerList) -> Option<String> {
    if signed.items.len() > COMPONENTS_MAX {
        return None;
    }
    let mut base = String::new();
    let mut identifiers: Vec<String> = Vec::new();
    for item in &signed.items {
        let identifier = item.serialize();
        if identifiers.contains(&identifier) {
            return None;
        }
        let value = component(request, root, item)?;
        if value.bytes().any(|byte| !matches!(byte, b' '..=b'~' | b'\t')) {
            return None;
        }
        base += &format!("{identifier}: {value}\n");
        identifiers.push(identifier);
    }
    let params: List = vec![ListEntry::InnerList(signed.clone())];
    base += &format!("\"@signature-params\": {}", params.serialize()?);
    Some(base)
}

/// The value of a component (RFC 9421, 2.1 and 2.2). `None` if the request does not have it, or for
/// a parameter other than `key`.
fn component<'a>(
    request: &'a Request<'_>,
    root: &'a PublicRoot,
    item: &Item,
) -> Option<Cow<'a, str>> {
    let name = name_of(item)?;
    if let Some((key, more)) = item.params.first() {
        let is_key = item.params.len() == 1 && key.as_str() == "key";
        let key = more.as_string().filter(|_| is_key)?.as_str();
        let members: Dictionary = parse(&field(request, name)?)?;
        return match members.get(key)? {
            ListEntry::Item(item) => Some(item.serialize().into()),
            ListEntry::InnerList(list) => {
                Some(List::serialize(&vec![ListEntry::InnerList(list.clone())])?.into())
            }
        };
    }
    let origin = root.origin();
    if !name.starts_with('@') {
        return field(request, name).map(Cow::Owned);
    }
    let url = root.url(request.target).ok()?;
    let (path, query) = match url.target().split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url.target(), None),
    };
    Some(match name {
        // An origin has no default port.
        "@authority" => origin.authority().into(),
        "@method" => std::str::from_utf8(request.method).ok()?.into(),
        "@scheme" => origin.scheme().into(),
        "@target-uri" => url.as_str().to_string().into(),
        "@path" => path.to_string().into(),
        "@query" => format!("?{}", query.unwrap_or_default()).into(),
        _ => return None,
    })
}

/// The bot that a request names: a string, or the member of a dictionary that is covered.
fn agent_of(request: &Request<'_>, signed: &InnerList) -> Option<String> {
    let value = field(request, AGENT)?;
    let covered = signed.items.iter().find(|item| name_of(item) == Some(AGENT))?;
    let string = |item: &Item| Some(item.bare_item.as_string()?.as_str().to_string());
    match covered.params.get("key") {
        None => string(&parse::<Item>(&value)?),
        Some(key) => match parse::<Dictionary>(&value)?.get(key.as_string()?.as_str())? {
            ListEntry::Item(item) => string(item),
            ListEntry::InnerList(_) => None,
        },
    }
}

fn name_of(item: &Item) -> Option<&str> {
    item.bare_item.as_string().map(|name| name.as_str())
}

fn text_of<'a>(signed: &'a InnerList, parameter: &str) -> Option<&'a str> {
    signed.params.get(parameter)?.as_string().map(|text| text.as_str())
}

fn parse<T: FieldType>(text: &str) -> Option<T> {
    Parser::new(text).parse().ok()
}

fn has_field(request: &Request<'_>, name: &str) -> bool {
    request.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
}

/// The values of a field, joined (RFC 9421, 2.1); `None` if there is none, or they are too long.
fn field(request: &Request<'_>, name: &str) -> Option<String> {
    let is = |known: &[u8]| known.eq_ignore_ascii_case(name.as_bytes());
    let mut joined: Option<String> = None;
    for (_, value) in request.headers.iter().filter(|(known, _)| is(known)) {
        let value = std::str::from_utf8(value.trim_ascii()).ok()?;
        match &mut joined {
            None => joined = Some(value.to_string()),
            Some(text) => {
                text.push_str(", ");
                text.push_str(value);
            }
        }
        if joined.as_ref().is_some_and(|text| text.len() > SIGNATURE_FIELD_LEN_MAX) {
            return None;
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;
    use crate::vendor::bots::BotKey;

    const NOW: UnixTime = UnixTime(1_796_904_000);
    const ROOT: &str = "https://news.example";

    fn secret() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn key(secret: &SigningKey) -> BotKey {
        crate::scheme::BASE64URL.encode(secret.verifying_key().as_bytes()).parse().unwrap()
    }

    fn keys() -> BotKeys {
        let agent = "https://bot.example".parse().unwrap();
        BotKeys::default().with_agent(agent, vec![key(&secret())], NOW).unwrap()
    }

    /// What a bot sends and what it signs.
    #[derive(Clone)]
    struct Bot {
        secret: SigningKey,
        components: String,
        params: String,
        agent: Option<&'static str>,
        base: String,
    }

    fn bot() -> Bot {
        let params = format!(
            "created={};keyid=\"{}\";alg=\"ed25519\";expires={};nonce=\"a\";tag=\"web-bot-auth\"",
            NOW.0 - 10,
            key(&secret()).id(),
            NOW.0 + 60
        );
        Bot {
            secret: secret(),
            components: "(\"@authority\" \"signature-agent\")".to_string(),
            params,
            agent: Some("\"https://bot.example\""),
            base: "\"@authority\": news.example\n\
                   \"signature-agent\": \"https://bot.example\"\n"
                .to_string(),
        }
    }

    impl Bot {
        fn fields(&self) -> Vec<(String, String)> {
            let input = format!("{};{}", self.components, self.params);
            let base = format!("{}\"@signature-params\": {input}", self.base);
            let signature = STANDARD.encode(self.secret.sign(base.as_bytes()).to_bytes());
            let mut fields = vec![
                ("Signature-Input".to_string(), format!("sig1={input}")),
                ("Signature".to_string(), format!("sig1=:{signature}:")),
            ];
            fields.extend(self.agent.map(|it| ("Signature-Agent".to_string(), it.to_string())));
            fields
        }

        fn is_verified(&self) -> bool {
            verified(&self.fields(), ROOT, b"/story?page=2", NOW)
        }
    }

    fn verified(fields: &[(String, String)], root: &str, target: &[u8], now: UnixTime) -> bool {
        let headers: Vec<(&[u8], &[u8])> =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = Request { method: b"GET", target, headers: &headers, ..Request::default() };
        is_verified(&request, &root.parse().unwrap(), &keys(), now)
    }

    /// The example of draft-meunier-web-bot-auth-architecture, with the key of RFC 9421, B.1.4.
    #[test]
    fn the_example_of_the_draft_is_verified() {
        let agent = "https://signature-agent.test".parse().unwrap();
        let key = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs".parse().unwrap();
        let keys = BotKeys::default().with_agent(agent, vec![key], NOW).unwrap();
        let input = "sig1=(\"@authority\");created=1735689600;keyid=\"poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U\";alg=\"ed25519\";expires=1735693200;nonce=\"gubxywVx7hzbYKatLgzuKDllDAIXAkz41PydU7aOY7vT+Mb3GJNxW0qD4zJ+IOQ1NVtg+BNbTCRUMt1Ojr5BgA==\";tag=\"web-bot-auth\"";
        let signature = "sig1=:uz2SAv+VIemw+Oo890bhYh6Xf5qZdLUgv6/PbiQfCFXcX/vt1A8Pf7OcgL2yUDUYXFtffNpkEr5W6dldqFrkDg==:";
        let headers: [(&[u8], &[u8]); 2] =
            [(b"signature-input", input.as_bytes()), (b"signature", signature.as_bytes())];
        let request =
            Request { method: b"GET", target: b"/", headers: &headers, ..Request::default() };
        let at =
            |root: &str, now| is_verified(&request, &root.parse().unwrap(), &keys, UnixTime(now));
        assert!(at("https://example.com", 1_735_689_600));
        assert!(at("https://example.com", 1_735_693_199));
        assert!(!at("https://example.com", 1_735_693_200), "expired");
        assert!(!at("https://example.org", 1_735_689_600), "for another host");
    }

    #[test]
    fn a_signature_counts_for_one_origin_and_one_time() {
        let fields = bot().fields();
        let at = |root: &str, now: i64| verified(&fields, root, b"/story", UnixTime(now));
        assert!(at(ROOT, NOW.0));
        for root in ["https://www.news.example", "https://news.example:8443"] {
            assert!(!at(root, NOW.0), "replayed at {root}");
        }
        assert!(at(ROOT, NOW.0 + 59) && !at(ROOT, NOW.0 + 60), "expired");
        let created = NOW.0 - 10;
        let earliest = created - AHEAD_SECONDS_MAX;
        assert!(at(ROOT, earliest) && !at(ROOT, earliest - 1), "not yet made");
        for (seconds, expected) in
            [(SIGNATURE_SECONDS_MAX, true), (SIGNATURE_SECONDS_MAX + 1, false)]
        {
            let expires = format!("expires={}", created + seconds);
            let params = bot().params.replace(&format!("expires={}", NOW.0 + 60), &expires);
            assert_eq!(Bot { params, ..bot() }.is_verified(), expected, "{seconds}");
        }
    }

    #[test]
    fn a_spoofed_signature_is_none() {
        assert!(bot().is_verified());
        let other = SigningKey::from_bytes(&[8; 32]);
        assert!(!Bot { secret: other.clone(), ..bot() }.is_verified(), "another's key");
        let id = key(&secret()).id();
        let own = bot().params.replace(&id, &key(&other).id());
        assert!(!Bot { secret: other, params: own, ..bot() }.is_verified(), "an unknown key");
        let replaced = |what: &str, with: &str| {
            let params = bot().params;
            assert!(params.contains(what));
            Bot { params: params.replace(what, with), ..bot() }
        };
        for (what, with) in [
            ("alg=\"ed25519\"", "alg=\"hmac-sha256\""),
            ("tag=\"web-bot-auth\"", "tag=\"other\""),
            (";tag=\"web-bot-auth\"", ""),
            ("keyid", "key"),
            ("created", "made"),
            ("expires", "ends"),
        ] {
            assert!(!replaced(what, with).is_verified(), "{with}");
        }
        assert!(replaced("alg=\"ed25519\";", "").is_verified(), "the key says which algorithm");
        let mut fields = bot().fields();
        fields[2].1 = "\"https://other.example\"".to_string();
        assert!(!verified(&fields, ROOT, b"/story", NOW), "the agent is covered");
        let claimed = Bot {
            agent: Some("\"https://other.example\""),
            base: bot().base.replace("bot.example", "other.example"),
            ..bot()
        };
        assert!(!claimed.is_verified(), "the key is another bot's");
        let uncovered = Bot {
            components: "(\"@authority\")".to_string(),
            base: "\"@authority\": news.example\n".to_string(),
            ..bot()
        };
        assert!(!uncovered.is_verified(), "the agent is not covered");
        assert!(Bot { agent: None, ..uncovered }.is_verified(), "there is no agent");
        let fields = bot().fields();
        for at in 0..2 {
            let mut fields = fields.clone();
            fields.remove(at);
            assert!(!verified(&fields, ROOT, b"/story", NOW));
            let mut twice = bot().fields();
            twice.push((twice[at].0.clone(), "sig1=:AAAA:".to_string()));
            assert!(!verified(&twice, ROOT, b"/story", NOW), "the last member of a name counts");
        }
    }

    #[test]
    fn components_are_those_of_the_request() {
        let with = |components: &str, base: &str| Bot {
            components: format!("({components})"),
            base: base.to_string(),
            agent: None,
            ..bot()
        };
        for (components, base) in [
            ("\"@target-uri\"", "\"@target-uri\": https://news.example/story?page=2\n"),
            (
                "\"@authority\" \"@method\" \"@scheme\" \"@path\" \"@query\"",
                "\"@authority\": news.example\n\"@method\": GET\n\"@scheme\": https\n\
                 \"@path\": /story\n\"@query\": ?page=2\n",
            ),
        ] {
            assert!(with(components, base).is_verified(), "{components}");
        }
        for (components, base) in [
            ("\"@target-uri\"", "\"@target-uri\": https://news.example/other\n"),
            ("\"@method\"", "\"@method\": GET\n"),
            ("", ""),
            (
                "\"@authority\" \"@authority\"",
                "\"@authority\": news.example\n\"@authority\": news.example\n",
            ),
            ("\"@authority\" \"@status\"", "\"@authority\": news.example\n\"@status\": 200\n"),
            ("\"@authority\";req", "\"@authority\";req: news.example\n"),
            ("\"@authority\" \"accept\"", "\"@authority\": news.example\n\"accept\": */*\n"),
            ("@authority", "@authority: news.example\n"),
        ] {
            assert!(!with(components, base).is_verified(), "{components}");
        }
        let dictionary = Bot {
            components: "(\"@authority\" \"signature-agent\";key=\"sig1\")".to_string(),
            agent: Some("a=1, sig1=\"https://bot.example/\""),
            base: "\"@authority\": news.example\n\
                   \"signature-agent\";key=\"sig1\": \"https://bot.example/\"\n"
                .to_string(),
            ..bot()
        };
        assert!(dictionary.is_verified());
        assert!(!Bot { agent: Some("sig2=\"https://bot.example\""), ..dictionary }.is_verified());
    }

    #[test]
    fn what_is_read_is_bounded() {
        let padded = |length: usize| {
            let mut fields = bot().fields();
            let own = fields[0].1.len() + ", other=\"\"".len();
            fields[0].1 += &format!(", other=\"{}\"", "x".repeat(length - own));
            verified(&fields, ROOT, b"/story", NOW)
        };
        assert!(padded(SIGNATURE_FIELD_LEN_MAX) && !padded(SIGNATURE_FIELD_LEN_MAX + 1));
        let covering = |count: usize| {
            let names: Vec<String> = (1..count).map(|number| format!("h{number}")).collect();
            let items: String = names.iter().map(|name| format!(" \"{name}\"")).collect();
            let lines: String = names.iter().map(|name| format!("\"{name}\": x\n")).collect();
            let bot = Bot {
                components: format!("(\"@authority\"{items})"),
                base: format!("\"@authority\": news.example\n{lines}"),
                agent: None,
                ..bot()
            };
            let mut fields = bot.fields();
            fields.extend(names.into_iter().map(|name| (name, "x".to_string())));
            verified(&fields, ROOT, b"/story", NOW)
        };
        assert!(covering(COMPONENTS_MAX) && !covering(COMPONENTS_MAX + 1));
    }
}
