//! Words of others on a terminal: what a server, or a file of somebody else, says.
//!
//! Input: text that nobody checked. Output: text that only shows. The invariant: it has no
//! character that a terminal acts on, or that changes the order of the text around it; words of
//! others are one line, so that they cannot pass for a line of the program.

use micromint::protocol::is_printable_char;

/// The longest words of others that are shown, in characters.
pub const WORDS_LEN_MAX: usize = 400;

/// Words of a server or of a foreign file as one line: white space of any kind becomes a blank,
/// other characters that cannot be shown are left out, and what follows [`WORDS_LEN_MAX`]
/// characters is replaced by `…`.
///
/// ```
/// use micromint_console::one_line;
///
/// assert_eq!(one_line("sold\u{1b}[2J\n\nout "), "sold[2J out");
/// ```
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    let (mut length, mut is_apart) = (0, false);
    for c in text.chars() {
        if c.is_whitespace() {
            is_apart = length > 0;
        } else if is_printable_char(c) {
            if length + usize::from(is_apart) >= WORDS_LEN_MAX {
                line.push('…');
                break;
            }
            if is_apart {
                line.push(' ');
            }
            line.push(c);
            length += 1 + usize::from(is_apart);
            is_apart = false;
        }
    }
    line
}

/// Text with `\u{fffd}` in place of each character that a terminal would act on; line ends and tabs
/// stay.
pub fn harmless(text: &str) -> String {
    let shown =
        |c: char| if matches!(c, '\n' | '\t') || is_printable_char(c) { c } else { '\u{fffd}' };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_one_bounded_line() {
        for (text, shown) in [
            ("", ""),
            (" \n\t", ""),
            ("Zu wenig Geld: 支払い", "Zu wenig Geld: 支払い"),
            ("a\nmmwallet: paid\r\n", "a mmwallet: paid"),
            ("a\u{1b}]0;title\u{7}b", "a]0;titleb"),
            ("a\u{9b}2Jb\u{7f}", "a2Jb"),
            ("a\u{202e}b\u{2066}c\u{2028}d", "abc d"),
        ] {
            assert_eq!(one_line(text), shown, "{text:?}");
        }
        let longest = "x".repeat(WORDS_LEN_MAX);
        assert_eq!(one_line(&format!("{longest} \n")), longest);
        assert_eq!(one_line(&format!("{longest}y")), format!("{longest}…"));
        let apart = "x ".repeat(WORDS_LEN_MAX);
        assert_eq!(one_line(&apart), format!("{}…", apart[..WORDS_LEN_MAX].trim_end()));
    }

    #[test]
    fn a_terminal_acts_on_nothing_but_line_ends() {
        assert_eq!(
            harmless("a\n\tb\u{1b}[1m\r\u{9d}\u{202e}é"),
            "a\n\tb\u{fffd}[1m\u{fffd}\u{fffd}\u{fffd}é"
        );
    }
}
