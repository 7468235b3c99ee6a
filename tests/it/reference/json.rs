//! JSON in the form of the public decoder (`redis.md` §4.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A value whose members keep their order.
#[derive(Debug, Clone)]
pub enum Json {
    /// Already text: a number, `null`, `true`.
    Raw(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Whether `<`, `>` and `&` are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Html {
    Escaped,
    Plain,
}

/// `1.25e2` as `125`.
fn fixed(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (digits, exponent) = (mantissa.replace('.', ""), exponent.parse::<i32>().unwrap());
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(-exponent as usize - 1));
    }
    let whole = exponent as usize + 1;
    match digits.split_at_checked(whole).filter(|(_, rest)| !rest.is_empty()) {
        Some((before, behind)) => format!("{sign}{before}.{behind}"),
        None => format!("{sign}{digits:0<whole$}"),
    }
}

impl Json {
    pub fn number(n: impl ToString) -> Json {
        Json::Raw(n.to_string())
    }

    pub fn number_or_null(n: Option<u64>) -> Json {
        Json::Raw(n.map_or("null".into(), |n| n.to_string()))
    }

    pub fn text(text: impl Into<String>) -> Json {
        Json::Text(text.into())
    }

    pub fn object(members: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
        Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Bytes: text if they are UTF-8, otherwise an object with base64.
    pub fn bytes(bytes: &[u8]) -> Json {
        match std::str::from_utf8(bytes) {
            Ok(text) => Json::text(text),
            Err(_) => Json::object([("base64", Json::text(base64url(bytes)))]),
        }
    }

    /// A score: the shortest digits that give the same number; fixed notation from 1e-6 to 1e21.
    pub fn score(x: f64) -> Json {
        if x.is_nan() {
            return Json::text("nan");
        } else if x.is_infinite() {
            return Json::text(if x > 0.0 { "+inf" } else { "-inf" });
        }
        let shortest = format!("{x:e}");
        // Of as many digits, those nearest to the number; of two equally near ones the even (std takes the larger).
        let digits = shortest.bytes().take_while(|b| *b != b'e').filter(u8::is_ascii_digit).count();
        let nearest = format!("{x:.*e}", digits - 1);
        let text = if nearest.parse() == Ok(x) { nearest } else { shortest };
        Json::Raw(if x == 0.0 || (1e-6..1e21).contains(&x.abs()) {
            fixed(&text)
        } else if text.contains("e-") {
            text
        } else {
            text.replace('e', "e+")
        })
    }

    /// On one line.
    pub fn line(&self, html: Html) -> String {
        let list = |open: &str, parts: Vec<String>, close: &str| format!("{open}{}{close}", parts.join(","));
        let member = |(name, value): &(String, Json)| format!("{}:{}", quoted(name, html), value.line(html));
        match self {
            Json::Raw(text) => text.clone(),
            Json::Text(text) => quoted(text, html),
            Json::List(all) => list("[", all.iter().map(|one| one.line(html)).collect(), "]"),
            Json::Object(all) => list("{", all.iter().map(member).collect(), "}"),
        }
    }

    /// Over several lines, indented by two spaces per level.
    pub fn indented(&self, html: Html) -> String {
        self.indent(html, 0)
    }

    fn indent(&self, html: Html, level: usize) -> String {
        let inside = "  ".repeat(level + 1);
        let list = |open: &str, parts: Vec<String>, close: &str| {
            let parts: Vec<String> = parts.into_iter().map(|part| format!("\n{inside}{part}")).collect();
            let end = if parts.is_empty() { String::new() } else { format!("\n{}", "  ".repeat(level)) };
            format!("{open}{}{end}{close}", parts.join(","))
        };
        let member =
            |(name, value): &(String, Json)| format!("{}: {}", quoted(name, html), value.indent(html, level + 1));
        match self {
            Json::List(all) => list("[", all.iter().map(|one| one.indent(html, level + 1)).collect(), "]"),
            Json::Object(all) => list("{", all.iter().map(member).collect(), "}"),
            _ => self.line(html),
        }
    }
}

/// A string in quotes.
fn quoted(text: &str, html: Html) -> String {
    let text = serde_json::to_string(text).unwrap();
    let text = text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    match html {
        Html::Plain => text,
        Html::Escaped => text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
    }
}

pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
