//! Draws the model.
//!
//! Input: the model and a frame of any size. Output: the frame.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{List, ListState, Paragraph, Tabs, Wrap};

use super::contents::Rows;
use super::model::{Model, Page};

/// The width of the names of a table, in columns.
const NAME_WIDTH: usize = 15;

const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws the whole view.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let rows =
        [Constraint::Length(1), Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
    let [tabs, _, body, foot] = Layout::vertical(rows).areas(frame.area());
    let at = Page::ALL.iter().position(|page| *page == model.page());
    let titles = Page::ALL.iter().zip(1..).map(|(page, n)| format!("{n} {}", page.title()));
    frame.render_widget(Tabs::new(titles).select(at).highlight_style(CHOSEN), tabs);
    draw_body(model, frame, body);
    frame.render_widget(foot_line(model), foot);
}

fn draw_body(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    if let Some(entry) = model.open() {
        let mut lines = vec![Line::styled(entry.line.as_str(), STRONG), Line::default()];
        lines.extend(table(&entry.details));
        return frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
    }
    let from = u16::try_from(model.cursor()).unwrap_or(u16::MAX);
    let lines: Vec<Line<'_>> = match model.page() {
        Page::History | Page::Returns => return draw_list(model, frame, area),
        Page::Balance => model.contents().balance.lines().map(Line::from).collect(),
        Page::Settings => table(&model.contents().settings).collect(),
    };
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((from, 0)), area);
}

fn draw_list(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let lines: Vec<Line<'_>> = model.list().map(|entry| Line::from(entry.line.as_str())).collect();
    if lines.is_empty() {
        return frame.render_widget(Paragraph::new("nothing found"), area);
    }
    let list = List::new(lines).highlight_style(CHOSEN);
    let mut state = ListState::default().with_selected(Some(model.cursor()));
    frame.render_stateful_widget(list, area, &mut state);
}

fn table(rows: &Rows) -> impl Iterator<Item = Line<'_>> {
    rows.iter().map(|(name, value)| {
        Line::from(vec![
            Span::styled(format!("{name:<NAME_WIDTH$} "), STRONG),
            Span::raw(value.as_str()),
        ])
    })
}

/// The search, or which keys there are.
fn foot_line(model: &Model) -> Line<'_> {
    if model.is_typing() {
        return Line::from(format!(
            "/{}_  (Enter: keep, Esc: clear)",
            model.search().unwrap_or("")
        ));
    }
    let keys = match (model.open(), model.page()) {
        (Some(_), _) => "Up, Down: other entries  Esc: back  q: quit",
        (None, Page::History | Page::Returns) => {
            "Enter: details  /: search  Tab: next page  r: read again  q: quit"
        }
        (None, _) => "Tab: next page  r: read again  q: quit",
    };
    match model.search() {
        Some(words) => Line::from(format!("search {words:?}  Esc: clear  {keys}")),
        None => Line::from(keys),
    }
}
