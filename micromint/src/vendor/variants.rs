//! Variants of a page: files with the same content in another encoding, language or character set.
//!
//! Input: the name of a file. Output: the names whose price files count for it. The invariants: the
//! file's own name is the first; a name without a variant's parts, as nearly all have, gives no
//! other, so a page costs one look for a price file; there are at most eight, one for each set of
//! [`VARIANT_PARTS_MAX`] parts.

use std::borrow::Cow;

use smallvec::SmallVec;

/// Of more parts that tell a variant, the last ones are considered.
const VARIANT_PARTS_MAX: usize = 3;

/// Parts that tell a compressed file.
const ENCODINGS: [&str; 8] = ["gz", "br", "zst", "Z", "bz2", "xz", "lz4", "zz"];

/// The languages with two letters (ISO 639-1). Each word is followed by one blank.
const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch \
    co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he \
    hi ho hr ht hu hy hz ia id ie ig ii ik in io is it iu iw ja ji jv ka kg ki kj kk kl km kn ko kr \
    ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no \
    nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq \
    sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo \
    za zh zu";

/// Parts with three letters that are no language: common types of files, and `min`. Each word is
/// followed by one blank.
const TYPES: &str = "aac apk asp avi bin bmp cfg cgi css csv dat deb dmg doc eot eps exe gif htm ico img ini \
    iso jar jpg jsp log map min mjs mkv mov mpg odp ods odt oga ogg ogv otf pdf php png ppt \
    rar rpm rss rtf sql svg swf tar tex tif tsv ttf txt vtt wav xls xml xsd xsl yml zip";

/// What names of character sets begin with.
const CHARSETS: [&str; 15] = [
    "iso8859", "iso-8859", "iso2022", "iso-2022", "utf", "ucs", "koi8", "cp8", "cp-", "cp12",
    "win-", "windows-", "euc-", "big5", "gb2312",
];

/// The names whose price files count for the file at `path`, a path or a name: its own, and the
/// names without parts that tell a variant, such as `page.html` for `page.html.gz`, `page.de.html`
/// and `page.html.en`. The price of the file is the highest of theirs.
///
/// A part tells a variant if it is a compression (`gz`, `br`, `zst`, `Z`, `bz2`, `xz`, `lz4`,
/// `zz`), a language (a code of two letters, three letters that are no common type of file, or
/// either with subtags, such as `pt-br`) or a character set. The part before the first dot never
/// does.
pub(crate) fn priced_names(path: &[u8]) -> SmallVec<[Cow<'_, [u8]>; 1]> {
    let mut names: SmallVec<[Cow<'_, [u8]>; 1]> = SmallVec::new();
    names.push(Cow::Borrowed(path));
    let name_at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let variants = variant_parts(path, name_at);
    // Each set of parts once; in the order of the bits, which are those of the parts from the end.
    for set in 1usize..1 << variants.len() {
        let mut name = path.to_vec();
        for (bit, (start, end)) in variants.iter().enumerate() {
            // From the end, so that the places of the others stay.
            if set & (1 << bit) != 0 {
                name.drain(*start..*end);
            }
        }
        names.push(Cow::Owned(name));
    }
    names
}

/// Where the last parts are that tell a variant, with the dot before each, from the end.
fn variant_parts(path: &[u8], name_at: usize) -> SmallVec<[(usize, usize); VARIANT_PARTS_MAX]> {
    let mut found = SmallVec::new();
    let mut end = path.len();
    while let Some(dot) = path[name_at..end].iter().rposition(|byte| *byte == b'.') {
        let start = name_at + dot;
        // The name begins with this dot: nothing is left of it.
        if start == name_at || found.len() == VARIANT_PARTS_MAX {
            break;
        }
        if std::str::from_utf8(&path[start + 1..end]).is_ok_and(tells_variant) {
            found.push((start, end));
        }
        end = start;
    }
    found
}

fn tells_variant(part: &str) -> bool {
    ENCODINGS.contains(&part) || is_language(part) || is_charset(part)
}

/// Whether it has the form of a language tag (RFC 5646): two or three letters, then subtags of at
/// most 8 letters and digits.
fn is_language(part: &str) -> bool {
    let mut tags = part.split(['-', '_']);
    let first = tags.next().unwrap_or_default().as_bytes();
    let is_code = match *first {
        [a, b] => has_word(LANGUAGES, &[a, b]),
        [a, b, c] => first.iter().all(u8::is_ascii_alphabetic) && !has_word(TYPES, &[a, b, c]),
        _ => false,
    };
    let is_subtag = |tag: &str| {
        (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    is_code && tags.all(is_subtag)
}

/// Whether a word, in any case, is in a list of words of its length.
fn has_word(list: &str, word: &[u8]) -> bool {
    let words = list.as_bytes().chunks(word.len() + 1).map(|chunk| &chunk[..word.len()]);
    words.into_iter().any(|listed| listed.eq_ignore_ascii_case(word))
}

fn is_charset(part: &str) -> bool {
    CHARSETS.iter().any(|beginning| {
        let head = part.as_bytes().get(..beginning.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(beginning.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICED_NAMES_MAX: usize = 1 << VARIANT_PARTS_MAX;

    fn names(path: &str) -> Vec<String> {
        let names = priced_names(path.as_bytes());
        names.iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_variant_has_the_price_of_its_page_too() {
        for (path, others) in [
            ("page.html.gz", &["page.html"][..]),
            ("page.html.br", &["page.html"]),
            ("page.html.zst", &["page.html"]),
            ("page.html.Z", &["page.html"]),
            ("page.html.en", &["page.html"]),
            ("page.en.html", &["page.html"]),
            ("page.de.html", &["page.html"]),
            ("page.pt-BR.html", &["page.html"]),
            ("page.zh-hant_tw", &["page"]),
            ("page.es-419.html", &["page.html"]),
            ("page.ltz.html", &["page.html"]),
            ("page.html.utf8", &["page.html"]),
            ("page.html.iso8859-15", &["page.html"]),
            ("page.en", &["page"]),
            ("data.gz", &["data"]),
            ("/a.gz/page.html.gz", &["/a.gz/page.html"]),
            ("page.html.en.gz", &["page.html.en", "page.html.gz", "page.html"]),
            ("page.fr.html.gz", &["page.fr.html", "page.html.gz", "page.html"]),
            (".htpage.en", &[".htpage"]),
        ] {
            assert_eq!(names(path)[0], path);
            assert_eq!(names(path)[1..], *others, "{path}");
        }
    }

    #[test]
    fn other_names_are_looked_at_once() {
        for path in [
            "",
            "/",
            "page",
            "page.",
            "page.html",
            "style.css",
            "app.js",
            "jquery.min.js",
            "app.3f2a9c17.js",
            "page.mm",
            "photo.jpg",
            "video.mp4",
            "a.en/page.html",
            "/www/v1.2/page.html",
            ".gz",
            ".en",
            "page.toolong-language1.html",
            "page.-.html",
            "page.en-.html",
            "page..html",
            "page.e1.html",
        ] {
            assert_eq!(names(path), [path], "{path}");
        }
        assert_eq!(priced_names(b"page.\xff\xfe.html").len(), 1);
    }

    #[test]
    fn the_words_of_a_list_have_one_length() {
        for (list, len) in [(LANGUAGES, 2), (TYPES, 3)] {
            let words: Vec<&str> = list.split(' ').collect();
            assert!(words.is_sorted() && words.iter().all(|word| word.len() == len));
            assert!(has_word(list, words[words.len() - 1].as_bytes()));
        }
        assert!(has_word(LANGUAGES, b"EN") && !has_word(LANGUAGES, b"js"));
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let most = names("page.html.zh-cn.big5x.gz");
        assert_eq!(most.len(), PRICED_NAMES_MAX);
        assert_eq!(most[PRICED_NAMES_MAX - 1], "page.html");
        let more = names("page.html.en.zh-cn.big5x.gz");
        assert_eq!(more.len(), PRICED_NAMES_MAX);
        assert_eq!(more[PRICED_NAMES_MAX - 1], "page.html.en");
        let mut unique = more.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), more.len());
    }
}
