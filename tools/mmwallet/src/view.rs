//! The terminal view of the wallet: `mmwallet` without a command.
//!
//! Input: the wallet file, the settings, and keys. Output: the screen. The view changes nothing: it
//! reads the file when it opens and when the user asks again, holds no lock meanwhile, and shows
//! what [`crate::show`] prints. `model` decides what is shown, `draw` draws it.

mod contents;

mod draw;

mod model;

#[cfg(test)]
mod tests;

use std::io;
use std::process;

use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;

use micromint::error::FileError;
use micromint::host::{Clock, SystemClock};
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError};

use crate::settings::Settings;
use crate::wallet_file::WalletFile;

use contents::Contents;
use model::{Key, Model, Step};

/// Shows the wallet until the user leaves the view.
///
/// # Errors
/// The wallet or its settings cannot be read, or the terminal cannot be used.
pub fn view(wallet: &WalletFile) -> Result<u8, ToolError> {
    let mut model = Model::new(read(wallet)?);
    let mut terminal = ratatui::try_init().map_err(on_terminal)?;
    // SIGINT, SIGTERM and SIGHUP end the view from a thread of their own: this one waits for a key.
    ctrlc::set_handler(|| {
        // If the terminal is gone, nothing is left to restore.
        let _ = ratatui::try_restore();
        let _ = execute!(io::stdout(), Show);
        process::exit(EXIT_FAILURE.into());
    })?;
    let result = (|| -> Result<(), ToolError> {
        loop {
            terminal.draw(|frame| draw::draw(&model, frame)).map_err(on_terminal)?;
            let step = key(&event::read().map_err(on_terminal)?).map(|key| model.take(key));
            match step {
                Some(Step::Quit) => return Ok(()),
                Some(Step::Reload) => model.replace(read(wallet)?),
                Some(Step::Stay) | None => {}
            }
        }
    })();
    // The error of the view counts more.
    let restored = ratatui::try_restore().map_err(on_terminal);
    result.and(restored)?;
    Ok(EXIT_OK)
}

fn read(file: &WalletFile) -> Result<Contents, ToolError> {
    let settings = Settings::read(&file.settings_path())?;
    let wallet = file.look()?;
    Ok(Contents::of(wallet.state(), &settings, file, SystemClock.now()))
}

fn on_terminal(error: io::Error) -> ToolError {
    FileError::on("use", "the terminal")(error).into()
}

/// The key of an event; `None` if the view does not use it. A resized terminal is only drawn again.
fn key(event: &Event) -> Option<Key> {
    let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return None };
    if *kind == KeyEventKind::Release {
        return None;
    }
    let is_control = modifiers.contains(KeyModifiers::CONTROL);
    Some(match code {
        KeyCode::Char('c' | 'd') if is_control => Key::Quit,
        KeyCode::Char(_) if is_control => return None,
        KeyCode::Char(c) => Key::Character(*c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::First,
        KeyCode::End => Key::Last,
        KeyCode::Right | KeyCode::Tab => Key::Next,
        KeyCode::Left | KeyCode::BackTab => Key::Previous,
        KeyCode::Enter => Key::Open,
        KeyCode::Esc => Key::Back,
        KeyCode::Backspace => Key::Erase,
        _ => return None,
    })
}
