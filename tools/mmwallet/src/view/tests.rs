//! The view on a screen in memory.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::contents::{Contents, Entry};
use super::draw::draw;
use super::model::{Key, Model, Page, SEARCH_LEN_MAX, Step};

fn entry(line: &str, is_return: bool, details: &[(&str, &str)]) -> Entry {
    let details = details.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Entry { line: line.to_string(), is_return, details: details.collect() }
}

fn contents() -> Contents {
    Contents {
        balance: "2026-12  6 coins\n  user alice\n".to_string(),
        history: vec![
            entry("returned 4 coins", true, &[("request", "abc")]),
            entry("paid 2 coins to news.example", false, &[("reference", "0F1e"), ("coins", "2")]),
            entry("received 2 sets", false, &[("transaction", "1")]),
        ],
        settings: vec![("autopay".to_string(), "0 (default)".to_string())],
    }
}

fn after(keys: &[Key]) -> Model {
    let mut model = Model::new(contents());
    for key in keys {
        assert_eq!(model.take(*key), Step::Stay, "{key:?}");
    }
    model
}

fn typed(text: &str) -> Vec<Key> {
    text.chars().map(Key::Character).collect()
}

/// The lines of a screen of this size, without blanks at their ends.
fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| line(y).trim_end().to_string()).collect()
}

#[test]
fn each_page_shows_its_subject() {
    let tabs = " 1 Balance │ 2 History │ 3 Returns │ 4 Settings";
    let keys = "Tab: next page  r: read again  q: quit";
    let expected = [tabs, "", "2026-12  6 coins", "  user alice", "", keys];
    assert_eq!(screen(&after(&[]), 60, 6), expected);
    let expected =
        [tabs, "", "returned 4 coins", "paid 2 coins to news.example", "received 2 sets"];
    assert_eq!(screen(&after(&typed("2")), 60, 6)[..5], expected);
    assert_eq!(screen(&after(&typed("3")), 60, 6)[2..4], ["returned 4 coins", ""]);
    assert_eq!(screen(&after(&typed("4")), 60, 6)[2], "autopay         0 (default)");
}

#[test]
fn pages_turn_both_ways() {
    let page = |keys: &[Key]| after(keys).page();
    assert_eq!(page(&[Key::Next]), Page::History);
    assert_eq!(page(&[Key::Previous]), Page::Settings);
    assert_eq!(page(&[Key::Next; 4]), Page::Balance);
    assert_eq!(page(&typed("3")), Page::Returns);
    assert_eq!(page(&typed("5x0")), Page::Balance);
}

#[test]
fn details_open_and_close() {
    let mut model = after(&[Key::Next, Key::Down, Key::Open]);
    let shown = screen(&model, 60, 7);
    let expected =
        ["paid 2 coins to news.example", "", "reference       0F1e", "coins           2"];
    assert_eq!(shown[2..6], expected);
    model.take(Key::Down);
    assert!(model.open().is_some_and(|entry| entry.line == "received 2 sets"));
    model.take(Key::Back);
    assert!(model.open().is_none());
    assert_eq!((model.page(), model.cursor()), (Page::History, 2));
}

#[test]
fn a_search_finds_details_and_ignores_case() {
    let mut model = after(&[&typed("2/NEWS")[..], &[Key::Open]].concat());
    assert_eq!(model.list().count(), 1);
    assert!(screen(&model, 60, 4)[3].starts_with("search \"NEWS\""));
    model.take(Key::Back);
    assert_eq!((model.list().count(), model.search()), (3, None));
    let mut model = after(&typed("2/0f1Eq"));
    assert_eq!(screen(&model, 60, 4)[2..], ["nothing found", "/0f1Eq_  (Enter: keep, Esc: clear)"]);
    model.take(Key::Erase);
    assert_eq!(model.list().count(), 1, "q is a letter while one types");
    assert!(after(&typed("3/news")).list().next().is_none(), "a page lists its own entries");
    assert!(after(&typed("/news")).search().is_none(), "there is nothing to search");
}

#[test]
fn a_search_is_bounded() {
    let text = |len| typed(&format!("2/{}", "x".repeat(len)));
    for (len, kept) in [(SEARCH_LEN_MAX, SEARCH_LEN_MAX), (SEARCH_LEN_MAX + 1, SEARCH_LEN_MAX)] {
        assert_eq!(after(&text(len)).search().unwrap().len(), kept);
    }
}

#[test]
fn the_cursor_stays_on_an_entry() {
    let cursor = |keys: &[Key]| after(keys).cursor();
    assert_eq!(cursor(&[Key::Next, Key::Up]), 0);
    assert_eq!(cursor(&[Key::Next, Key::PageDown, Key::PageDown]), 2);
    assert_eq!(cursor(&[Key::Next, Key::Last, Key::PageUp]), 0);
    let mut model = after(&[Key::Next, Key::Last, Key::Open]);
    model.replace(Contents { history: contents().history[..1].to_vec(), ..contents() });
    assert_eq!((model.cursor(), model.open().is_none()), (0, true));
    model.replace(Contents::default());
    assert_eq!((model.take(Key::Open), model.open().is_none()), (Step::Stay, true));
}

#[test]
fn keys_that_the_caller_acts_on() {
    assert_eq!(after(&[]).take(Key::Quit), Step::Quit);
    assert_eq!(after(&typed("2/")).take(Key::Quit), Step::Quit);
    assert_eq!(after(&[]).take(Key::Character('q')), Step::Quit);
    assert_eq!(after(&[]).take(Key::Character('r')), Step::Reload);
}

/// A terminal may be of any size.
#[test]
fn tiny_screens_are_drawn() {
    for keys in [&[][..], &[Key::Next], &[Key::Next, Key::Open], &typed("2/x"), &[Key::Previous]] {
        for (width, height) in [(1, 1), (1, 3), (3, 1), (2, 2), (200, 2)] {
            screen(&after(keys), width, height);
        }
    }
}
