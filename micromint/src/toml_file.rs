//! TOML files: parameter files, the mint's and the vendor's configuration, the wallet's settings.
//!
//! Input: the text of a file. Output: the struct that names its keys, or an error with the position
//! of the fault (file, line, column, key), what was expected and what was found. The invariant: a
//! key that the struct does not name is a fault, and no text is parsed that is larger than its kind
//! of file may be, which is [`TOML_FILE_SIZE_MAX`] for nearly all. The struct derives `Deserialize`
//! with `deny_unknown_fields`.

#[cfg(any(feature = "vendor", test))]
mod one_or_many;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

#[cfg(any(feature = "vendor", test))]
pub(crate) use self::one_or_many::OneOrMany;
#[cfg(not(target_family = "wasm"))]
use crate::host::DiskDirectory;
use crate::host::{Directory, read_whole};
use crate::text_file::decode;
use crate::time::UnixTime;

/// The largest TOML file, in bytes.
pub const TOML_FILE_SIZE_MAX: u64 = 64 * 1024;

/// A TOML file that cannot be used: where the fault is, and what was expected and found there.
#[derive(Debug, thiserror::Error)]
pub struct TomlError {
    path: Option<PathBuf>,
    /// Line and column, both counted from 1.
    position: Option<(usize, usize)>,
    key: Option<String>,
    reason: String,
}

impl TomlError {
    fn whole(reason: String) -> TomlError {
        TomlError { path: None, position: None, key: None, reason }
    }

    /// The error for a file that cannot be read.
    pub(crate) fn unreadable(error: &std::io::Error) -> TomlError {
        TomlError::whole(format!("cannot be read: {error}"))
    }

    /// The same error, for the file at `path`.
    pub fn in_file(mut self, path: &Path) -> TomlError {
        self.path = Some(path.to_path_buf());
        self
    }

    /// The file, if the text came from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The line of the fault, counted from 1; `None` if the file as a whole is at fault.
    pub fn line(&self) -> Option<usize> {
        self.position.map(|(line, _)| line)
    }
}

impl fmt::Display for TomlError {
    /// `vendor.toml:5:7: cap: expected a number from 0 to 4294967295, found -1`, without the parts
    /// that are unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.position) {
            (Some(path), Some((line, column))) => {
                write!(f, "{}:{line}:{column}: ", path.display())?;
            }
            (Some(path), None) => write!(f, "{}: ", path.display())?,
            (None, Some((line, column))) => write!(f, "line {line}, column {column}: ")?,
            (None, None) => {}
        }
        match &self.key {
            Some(key) => write!(f, "{key}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Reads the text of a TOML file in `directory`.
///
/// # Errors
/// A file that cannot be read, is larger than [`TOML_FILE_SIZE_MAX`], or is not UTF-8.
pub fn load(directory: &dyn Directory, name: &str) -> Result<String, TomlError> {
    load_sized(directory, name, TOML_FILE_SIZE_MAX)
}

/// [`load`] for a kind of file that has at most `size_max` bytes.
pub(crate) fn load_sized(
    directory: &dyn Directory,
    name: &str,
    size_max: u64,
) -> Result<String, TomlError> {
    let path = || directory.path().join(name);
    let bytes = read_whole(directory, name, size_max).map_err(|error| {
        let fault = match path().is_dir() {
            true => TomlError::whole("expected a file, found a folder".to_string()),
            false => TomlError::unreadable(&error),
        };
        fault.in_file(&path())
    })?;
    decode(&bytes)
        .map(str::to_string)
        .map_err(|error| TomlError::whole(error.to_string()).in_file(&path()))
}

/// Reads the text of the TOML file at `path` on disk.
///
/// # Errors
/// See [`load`].
#[cfg(not(target_family = "wasm"))]
pub fn load_path(path: &Path) -> Result<String, TomlError> {
    let (directory, name) = DiskDirectory::of_file(path)
        .map_err(|error| TomlError::unreadable(&error).in_file(path))?;
    // The error shows the path as the caller wrote it.
    load(&directory, &name).map_err(|error| error.in_file(path))
}

/// The keys and values of a TOML text, with their positions.
///
/// ```
/// use micromint::toml_file::TomlText;
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Settings {
///     cap: u32,
/// }
///
/// let settings: Settings = TomlText::parse("cap = 20")?.read()?;
/// assert_eq!(settings.cap, 20);
///
/// let error = TomlText::parse("cop = 20")?.read::<Settings>().err().ok_or("no error")?;
/// assert_eq!(error.line(), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TomlText<'a> {
    text: &'a str,
    table: DeTable<'a>,
}

impl<'a> TomlText<'a> {
    /// Parses a text.
    ///
    /// # Errors
    /// Text that is not TOML or is larger than [`TOML_FILE_SIZE_MAX`].
    pub fn parse(text: &'a str) -> Result<TomlText<'a>, TomlError> {
        TomlText::parse_sized(text, TOML_FILE_SIZE_MAX)
    }

    /// [`TomlText::parse`] for a kind of file that has at most `size_max` bytes.
    pub(crate) fn parse_sized(text: &'a str, size_max: u64) -> Result<TomlText<'a>, TomlError> {
        if text.len() as u64 > size_max {
            let reason = format!("expected at most {size_max} bytes, found {}", text.len());
            return Err(TomlError::whole(reason));
        }
        let table = DeTable::parse(text).map_err(|error| TomlError {
            position: error.span().map(|span| position_of(text, &span)),
            // Only the message: the full text of the error repeats the line, which may contain a
            // secret.
            ..TomlError::whole(error.message().to_string())
        })?;
        Ok(TomlText { text, table: table.into_inner() })
    }

    /// Removes these keys. The caller reads the rest into another struct.
    pub fn take(&mut self, keys: &[&str]) -> TomlText<'a> {
        let (taken, left) = std::mem::take(&mut self.table)
            .into_iter()
            .partition(|(key, _)| keys.contains(&key.get_ref().as_ref()));
        self.table = left;
        TomlText { text: self.text, table: taken }
    }

    /// Reads the keys into a struct.
    ///
    /// # Errors
    /// A key that is missing, unknown, or has a value that it cannot have.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, TomlError> {
        let whole = Spanned::new(0..self.text.len(), self.table.clone());
        T::deserialize(toml::de::Deserializer::from(whole)).map_err(|error| {
            let key = error.span().and_then(|span| key_at(&self.table, &span));
            let is_unknown = key.is_some_and(|(_, is_key)| is_key);
            let is_missing = error.message().starts_with("missing field");
            TomlError {
                position: error
                    .span()
                    .filter(|span| *span != (0..self.text.len()))
                    .map(|span| position_of(self.text, &span)),
                key: key.filter(|_| !is_unknown && !is_missing).map(|(key, _)| key.to_string()),
                ..TomlError::whole(in_our_words(error.message()))
            }
        })
    }

    /// Whether the value of `key` is a table.
    #[cfg(any(feature = "vendor", test))]
    pub(crate) fn is_table(&self, key: &str) -> bool {
        let found = self.table.iter().find(|(name, _)| name.get_ref() == key);
        found.is_some_and(|(_, value)| matches!(value.get_ref(), DeValue::Table(_)))
    }

    /// A fault in the value of `key`, or in the key itself if it is absent.
    pub fn fault(&self, key: &str, reason: impl Into<String>) -> TomlError {
        self.fault_in(key, None, reason)
    }

    /// A fault in the value of `key`, in the element `index` if the value is an array.
    pub(crate) fn fault_in(
        &self,
        key: &str,
        index: Option<usize>,
        reason: impl Into<String>,
    ) -> TomlError {
        let span =
            self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| {
                match (value.get_ref(), index) {
                    (DeValue::Array(elements), Some(index)) => {
                        elements.get(index).map_or(value.span(), Spanned::span)
                    }
                    _ => value.span(),
                }
            });
        TomlError {
            position: span.map(|span| position_of(self.text, &span)),
            key: Some(key.to_string()),
            ..TomlError::whole(reason.into())
        }
    }

    /// A fault in the value of `inner` in the table `index` of the array `key`, or in the table if
    /// that key is absent.
    #[cfg(any(feature = "vendor", test))]
    pub(crate) fn fault_of(
        &self,
        key: &str,
        index: usize,
        inner: &str,
        reason: impl Into<String>,
    ) -> TomlError {
        let value =
            self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value);
        let element = match value.map(Spanned::get_ref) {
            Some(DeValue::Array(elements)) => elements.get(index),
            _ => None,
        };
        let span = element.map(|element| match element.get_ref() {
            DeValue::Table(table) => table
                .iter()
                .find(|(name, _)| name.get_ref() == inner)
                .map_or(element.span(), |(_, value)| value.span()),
            _ => element.span(),
        });
        TomlError {
            position: span.map(|span| position_of(self.text, &span)),
            key: Some(inner.to_string()),
            ..TomlError::whole(reason.into())
        }
    }

    /// A fault in the part of the text at `span`.
    #[cfg(feature = "vendor")]
    pub(crate) fn fault_at(&self, span: Range<usize>, reason: impl Into<String>) -> TomlError {
        TomlError {
            position: Some(position_of(self.text, &span)),
            key: key_at(&self.table, &span).map(|(key, _)| key.to_string()),
            ..TomlError::whole(reason.into())
        }
    }
}

/// The innermost key at fault, and whether it is the key itself and not its value. The span of a
/// table with a header of its own does not cover the tables in it.
fn key_at<'a>(table: &'a DeTable<'_>, span: &Range<usize>) -> Option<(&'a str, bool)> {
    let holds = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    table.iter().find_map(|(key, value)| {
        if holds(key.span()) {
            return Some((key.get_ref().as_ref(), true));
        }
        let here = || holds(value.span()).then(|| (key.get_ref().as_ref(), false));
        inner_key_at(value.get_ref(), span).or_else(here)
    })
}

fn inner_key_at<'a>(value: &'a DeValue<'_>, span: &Range<usize>) -> Option<(&'a str, bool)> {
    match value {
        DeValue::Table(table) => key_at(table, span),
        DeValue::Array(elements) => {
            elements.iter().find_map(|element| inner_key_at(element.get_ref(), span))
        }
        _ => None,
    }
}

/// Replaces Serde's word "field" by "key".
fn in_our_words(message: &str) -> String {
    for word in ["missing", "unknown"] {
        if let Some(rest) = message.strip_prefix(&format!("{word} field ")) {
            return format!("{word} key {rest}");
        }
    }
    message.to_string()
}

fn position_of(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// Reads a string by a function; `expected` describes it.
pub(crate) fn string<'de, D, T, E>(
    deserializer: D,
    expected: &'static str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    struct StringVisitor<F>(&'static str, F);

    impl<T, E: fmt::Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for StringVisitor<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<R: Error>(self, text: &str) -> Result<T, R> {
            (self.1)(text).map_err(R::custom)
        }
    }

    deserializer.deserialize_str(StringVisitor(expected, read))
}

/// A value that is written as a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Parsed<T>(pub(crate) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        string(deserializer, "a string", T::from_str).map(Parsed)
    }
}

/// A whole number of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from 0 to {}", u32::MAX)
            }

            fn visit_i64<E: Error>(self, found: i64) -> Result<Number, E> {
                u32::try_from(found).map(Number).map_err(|_| {
                    E::custom(format!("expected a number from 0 to {}, found {found}", u32::MAX))
                })
            }

            fn visit_u64<E: Error>(self, found: u64) -> Result<Number, E> {
                self.visit_i64(i64::try_from(found).unwrap_or(i64::MAX))
            }
        }

        deserializer.deserialize_any(NumberVisitor)
    }
}

/// Reads an optional number, for `deserialize_with`: a whole number from 0 to 2^32 - 1.
///
/// # Errors
/// The deserializer's, for any other value.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Number::deserialize(deserializer).map(|Number(number)| Some(number))
}

/// A time: one of TOML's own, or a string, in RFC 3339 with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) UnixTime);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;

        impl<'de> Visitor<'de> for TimeVisitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 2026-12-01T00:00:00Z")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map(Time).map_err(E::custom)
            }

            /// The form in which the parser passes on a TOML date-time.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Time, A::Error> {
                let time = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map));
                let time = time.map_err(|_| A::Error::custom("expected a time"))?;
                self.visit_str(&time.to_string())
            }
        }

        deserializer.deserialize_any(TimeVisitor)
    }
}

/// One line of TOML.
pub(crate) fn line(key: &str, value: impl Into<toml::Value>) -> String {
    format!("{key} = {}\n", value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Open, SimulatedDirectory};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Keys {
        name: String,
        size_max: Option<Number>,
        start: Option<Time>,
        #[serde(rename = "list")]
        names: Option<OneOrMany<Parsed<crate::period::Period>>>,
    }

    fn read(text: &str) -> Result<Keys, TomlError> {
        TomlText::parse(text)?.read()
    }

    #[test]
    fn values_are_read_in_every_form() {
        let text = "name = 'a'\nsize-max = 0x10\nstart = 2026-12-01T01:00:00+01:00\nlist = 'b'\n";
        let keys = read(text).unwrap();
        assert_eq!((keys.name.as_str(), keys.size_max), ("a", Some(Number(16))));
        assert_eq!(keys.start.unwrap().0.to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(keys.names.unwrap().0, [Parsed("b".parse().unwrap())]);
        let keys = read("list = ['b', 'c']\nname = ''\nstart = '2026-12-01T00:00:00Z'").unwrap();
        assert_eq!(keys.names.unwrap().0.len(), 2);
        assert_eq!(keys.start.unwrap().0.to_string(), "2026-12-01T00:00:00Z");
    }

    #[test]
    fn a_fault_says_where_it_is_and_what_was_expected_and_found() {
        for (text, says) in [
            ("", "missing key `name`"),
            ("name = 'a'\n  colour = 1", "line 2, column 3: unknown key `colour`, expected one of"),
            ("name = 'a'\nname = 'b'", "line 2, column 1: duplicate key"),
            ("name = 1", "line 1, column 8: name: invalid type: integer `1`, expected a string"),
            ("name =", "line 1, column 7: "),
            (
                "name = '\u{e9}'\nsize-max = -1",
                "line 2, column 12: size-max: expected a number from 0 to 4294967295, found -1",
            ),
            ("size-max = 4294967296", "expected a number from 0 to 4294967295, found 4294967296"),
            ("size-max = 1.5", "size-max: invalid type: floating point `1.5`, expected a number"),
            ("start = 2026-12-01", "line 1, column 9: start: expected a time"),
            ("start = 1", "start: invalid type: integer `1`, expected a time such as"),
            ("list = ['a',\n 'B C']", "line 2, column 2: list: expected a period name"),
            ("list = ['a', 7]", "line 1, column 14: list: invalid type: integer `7`, expected"),
            ("list = 7", "list: invalid type: integer `7`, expected a string or an array"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(says), "expected {says:?} in {error:?}");
        }
        let text = TomlText::parse("a = 1\nb = ['x', 'y']").unwrap();
        for (fault, says) in [
            (text.fault("a", "wrong"), "line 1, column 5: a: wrong"),
            (text.fault_in("b", Some(1), "wrong"), "line 2, column 11: b: wrong"),
            (text.fault_in("b", Some(2), "wrong"), "line 2, column 5: b: wrong"),
            (text.fault("c", "wrong"), "c: wrong"),
        ] {
            assert_eq!(fault.to_string(), says);
        }
        let fault = text.fault("a", "wrong").in_file(Path::new("etc/x.toml"));
        assert_eq!(fault.to_string(), "etc/x.toml:1:5: a: wrong");
        assert_eq!((fault.path(), fault.line()), (Some(Path::new("etc/x.toml")), Some(1)));
    }

    #[test]
    fn keys_that_are_taken_out_keep_their_positions() {
        let mut text = TomlText::parse("name = 'a'\nother = 1").unwrap();
        let other = text.take(&["other", "absent"]);
        text.read::<Keys>().unwrap();
        assert_eq!(other.fault("other", "wrong").to_string(), "line 2, column 9: other: wrong");
        assert!(other.read::<Keys>().unwrap_err().to_string().contains("unknown key `other`"));
    }

    #[test]
    fn the_largest_text_is_read_and_none_past_it() {
        let sized = |size: u64| format!("name = '{}'", "x".repeat(size as usize - 9));
        assert!(read(&sized(TOML_FILE_SIZE_MAX)).is_ok());
        let error = read(&sized(TOML_FILE_SIZE_MAX + 1)).unwrap_err().to_string();
        assert_eq!(error, "expected at most 65536 bytes, found 65537");

        let directory = SimulatedDirectory::new();
        let write = |name: &str, bytes: &[u8]| {
            directory.open(name, Open::Create).unwrap().write_at(bytes, 0).unwrap();
        };
        write("most", sized(TOML_FILE_SIZE_MAX).as_bytes());
        write("more", sized(TOML_FILE_SIZE_MAX + 1).as_bytes());
        write("binary", b"\xff");
        assert!(load(&directory, "most").is_ok());
        for (name, says) in [
            ("more", "more: cannot be read: expected at most 65536 bytes, found 65537"),
            ("binary", "binary: expected UTF-8 text"),
            ("absent", "absent: cannot be read: "),
        ] {
            let error = load(&directory, name).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let error = load_path(Path::new("/nowhere/a.toml")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/a.toml: cannot be read: "), "{error}");
    }
}
