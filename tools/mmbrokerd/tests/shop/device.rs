//! An authenticator in software (WebAuthn Level 3): it makes a passkey with ES256 and uses it, and
//! does wrong what a test wants to be wrong.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::browser::{Browser, ORIGIN, Seen};

/// The user was present, was verified; a new key is told.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const NEW: u8 = 0x40;

/// An authenticator with one passkey, and how it answers.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) key: SigningKey,
    pub(crate) id: Vec<u8>,
    /// The number by which it knows the account.
    pub(crate) handle: Option<Vec<u8>>,
    pub(crate) counter: u32,
    pub(crate) flags: u8,
    pub(crate) domain: String,
    pub(crate) origin: String,
    /// Whether a page of another origin has the asking one in a frame.
    pub(crate) is_framed: bool,
    /// What the client data says instead of what was asked.
    pub(crate) kind: Option<&'static str>,
    pub(crate) challenge: Option<String>,
    /// The format and the attestation, in CBOR.
    pub(crate) attestation: Vec<u8>,
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Device {
    pub(crate) fn new(seed: u8) -> Device {
        Device {
            key: SigningKey::from_slice(&[seed; 32]).unwrap(),
            id: vec![seed; 32],
            handle: None,
            counter: 0,
            flags: PRESENT | VERIFIED,
            domain: "broker.example".to_string(),
            origin: ORIGIN.to_string(),
            is_framed: false,
            kind: None,
            challenge: None,
            // {"fmt": "none", "attStmt": {}, …
            attestation: [b"\xa3\x63fmt\x64none\x67attStmt\xa0".as_slice()].concat(),
        }
    }

    /// The same without what a user does.
    pub(crate) fn without(mut self, flag: &str) -> Device {
        self.flags &= !if flag == "present" { PRESENT } else { VERIFIED };
        self
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let asked = options["publicKey"]["challenge"].as_str().unwrap();
        let challenge = self.challenge.as_deref().unwrap_or(asked);
        let kind = self.kind.unwrap_or(kind);
        let data = json!({ "type": kind, "challenge": challenge, "origin": self.origin,
            "crossOrigin": self.is_framed });
        data.to_string().into_bytes()
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        let domain = Sha256::digest(&self.domain);
        [domain.as_slice(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// Its answer to the options for a new passkey.
    pub(crate) fn create(&mut self, options: &Value) -> String {
        let user = options["publicKey"]["user"]["id"].as_str().unwrap();
        self.handle = Some(URL_SAFE_NO_PAD.decode(user).unwrap());
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = (point.x().unwrap(), point.y().unwrap());
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        let key = [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".as_slice(), x, b"\x22\x58\x20", y];
        let length = (self.id.len() as u16).to_be_bytes();
        let head = self.head(self.flags | NEW);
        let data = [head.as_slice(), &[0; 16], &length, &self.id, &key.concat()].concat();
        let size = (data.len() as u16).to_be_bytes();
        let object = [&self.attestation, b"\x68authData\x59".as_slice(), &size, &data].concat();
        json!({
            "id": base64(&self.id), "rawId": base64(&self.id), "type": "public-key",
            "response": {
                "attestationObject": base64(&object),
                "clientDataJSON": base64(&self.client_data("webauthn.create", options)),
            },
        })
        .to_string()
    }

    /// Its answer to the options for a login.
    pub(crate) fn get(&self, options: &Value) -> String {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.head(self.flags);
        let signed = [data.as_slice(), &Sha256::digest(&client_data)].concat();
        let signature: Signature = self.key.sign(&signed);
        json!({
            "id": base64(&self.id), "rawId": base64(&self.id), "type": "public-key",
            "response": {
                "authenticatorData": base64(&data), "clientDataJSON": base64(&client_data),
                "signature": base64(signature.to_der().as_bytes()),
                "userHandle": self.handle.as_ref().map(|handle| base64(handle)),
            },
        })
        .to_string()
    }
}

/// A challenge: its token and the options for the authenticator.
pub(crate) struct Asked {
    pub(crate) token: String,
    pub(crate) options: Value,
}

impl Asked {
    fn of(answer: &Seen) -> Asked {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let json: Value = serde_json::from_str(&answer.text).unwrap();
        Asked {
            token: json["challenge"].as_str().unwrap().to_string(),
            options: json["options"].clone(),
        }
    }
}

impl Browser {
    /// Asks for the challenge of a login.
    pub(crate) fn ask_login(&mut self) -> Asked {
        Asked::of(&self.post("/login/passkey/challenge", &[]))
    }

    /// Sends an answer to the challenge of a login.
    pub(crate) fn answer_login(&mut self, token: &str, answer: &str) -> Seen {
        self.post("/login/passkey", &[("challenge", token), ("answer", answer)])
    }

    /// Logs in with a passkey.
    pub(crate) fn login_with(&mut self, device: &Device) -> Seen {
        let asked = self.ask_login();
        self.answer_login(&asked.token, &device.get(&asked.options))
    }

    /// Asks for the challenge of a new passkey.
    pub(crate) fn ask_add(&mut self, name: &str) -> Asked {
        let page = self.get("/account/passkeys");
        let fields = [("token", page.value("/logout", "token")), ("name", name.to_string())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        Asked::of(&self.post("/account/passkeys/challenge", &fields))
    }

    /// Sends an answer to the challenge of a new passkey.
    pub(crate) fn answer_add(&mut self, name: &str, token: &str, answer: &str) -> Seen {
        let page = self.get("/account/passkeys");
        let session = page.value("/logout", "token");
        let fields =
            [("token", session.as_str()), ("name", name), ("challenge", token), ("answer", answer)];
        self.post("/account/passkeys", &fields)
    }

    /// Adds the passkey of an authenticator.
    pub(crate) fn add_passkey(&mut self, name: &str, device: &mut Device) -> Seen {
        let asked = self.ask_add(name);
        let answer = device.create(&asked.options);
        self.answer_add(name, &asked.token, &answer)
    }
}
