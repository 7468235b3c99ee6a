//! Colours of messages on a terminal.

use std::ffi::OsStr;

/// A colour of a terminal's palette, whose look the user has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Red,
    Green,
    Yellow,
}

/// The escape code that ends a colour.
const PLAIN: &str = "\x1b[0m";

impl Colour {
    fn begin(self) -> &'static str {
        match self {
            Colour::Red => "\x1b[31m",
            Colour::Green => "\x1b[32m",
            Colour::Yellow => "\x1b[33m",
        }
    }

    /// Text in this colour; line ends are not coloured.
    pub fn paint(self, text: &str) -> String {
        let line = text.trim_end_matches('\n');
        format!("{}{line}{PLAIN}{}", self.begin(), &text[line.len()..])
    }
}

/// Whether messages are coloured: not if `NO_COLOR` is set (no-color.org), and not if the terminal has no colours.
pub(super) fn is_wanted() -> bool {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != OsStr::new("dumb"))
}

/// Colours the first word of each line, which says what kind of line it is.
pub(super) fn mark(text: &str) -> String {
    const WORDS: [(&str, Colour); 3] =
        [("warning:", Colour::Yellow), ("ekvsnap:", Colour::Red), ("hint:", Colour::Green)];
    let line = |line: &str| match WORDS.iter().find(|(word, _)| line.starts_with(word)) {
        Some((word, colour)) => format!("{}{}", colour.paint(word), &line[word.len()..]),
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_end_with_their_words() {
        assert_eq!(Colour::Green.paint("+ a\n"), "\x1b[32m+ a\x1b[0m\n");
        let text = "warning: a (1): b\n         key=\"warning: c\"\nekvsnap: d\n";
        let want = "\x1b[33mwarning:\x1b[0m a (1): b\n         key=\"warning: c\"\n\x1b[31mekvsnap:\x1b[0m d\n";
        assert_eq!(mark(text), want);
    }
}
