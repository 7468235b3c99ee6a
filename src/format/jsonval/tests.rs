use proptest::prelude::*;

use super::value::{NOT_BASE64, NOT_BOOL, NOT_INTEGER, NOT_STRING, NOT_UNSIGNED};
use super::*;

/// Reads the member `x` of `{"x":…}` and formats it.
fn shown<T: std::fmt::Debug>(text: &str, read: impl Fn(&Object<'_>) -> Result<T>) -> String {
    let arena = Bump::new();
    match parse(&arena, text.as_bytes()).and_then(|o| read(&o)) {
        Ok(value) => format!("{value:?}"),
        Err(_) => "error".into(),
    }
}

fn check(value: &str, want: [&str; 7]) {
    let text = format!("{{\"y\":[],\"x\":{value}}}");
    let got = [
        shown(&text, |o| o.str("x").map(str::to_owned)),
        shown(&text, |o| o.u64("x")),
        shown(&text, |o| o.u32("x")),
        shown(&text, |o| o.i64("x")),
        shown(&text, |o| o.f64("x")),
        shown(&text, |o| o.bool("x")),
        shown(&text, |o| o.object("x").map(|x| x.members().count())),
    ];
    assert_eq!(got, want, "{value}");
}

#[test]
fn types() {
    let e = "error";
    check("\"a\"", ["\"a\"", e, e, e, e, e, e]);
    check("null", ["\"\"", "0", "0", "0", "0.0", "false", "0"]);
    check("7", [e, "7", "7", "7", "7.0", e, e]);
    check("-7", [e, e, e, "-7", "-7.0", e, e]);
    check("4294967296", [e, "4294967296", e, "4294967296", "4294967296.0", e, e]);
    check("18446744073709551615", [e, "18446744073709551615", e, e, "1.8446744073709552e19", e, e]);
    check("18446744073709551616", [e, e, e, e, "1.8446744073709552e19", e, e]);
    check("-9223372036854775808", [e, e, e, "-9223372036854775808", "-9.223372036854776e18", e, e]);
    for float in ["1e2", "100.0", "1E2"] {
        check(float, [e, e, e, e, "100.0", e, e]);
    }
    check("true", [e, e, e, e, e, "true", e]);
    check("{\"a\":{\"b\":[1,{}]},\"c\":1}", [e, e, e, e, e, e, "2"]);
    check("[1]", [e; 7]);
    for broken in ["", "01", "+1", "tru", "'a'", "\"\n\"", "\"\\x\"", "\"\\u12\"", "1,", "1}", "1} x", "1}\0", "NaN"] {
        check(broken, [e; 7]);
    }
}

/// The server skips what it does not read, and fails if it must store such a number.
#[test]
fn numbers_that_no_float_holds_are_wrong_only_where_they_are_read() {
    let long = ["9".repeat(400), format!("{}.5", "9".repeat(400)), format!("0.1e{}", "9".repeat(40))];
    let short = ["1e400", "-1e400", "1E+400", "1.5e309", "9e99999999999999999999"].map(str::to_owned);
    for number in long.iter().chain(&short) {
        check(number, ["error"; 7]);
        for unread in [number.clone(), format!("[{number},{{\"z\":{number}}}]")] {
            let text = format!("{{\"y\":{unread},\"x\":7,\"s\":\"1e400 \\\" \\ud800\"}}");
            assert_eq!(shown(&text, |o| o.u64("x")), "7", "{text}");
            assert_eq!(shown(&text, |o| o.str("s").map(str::to_owned)), "\"1e400 \\\" \u{fffd}\"", "{text}");
        }
    }
    for tiny in ["1e-400", "0e400", "0.0e999999999999", "1e-99999999999999999999", "-1e-400"] {
        assert_ne!(shown(&format!("{{\"x\":{tiny}}}"), |o| o.f64("x")), "error", "{tiny}");
    }
    for broken in ["01e400", "1e400x", "1.e400", "-e400", "1e400e400", "1e", "+1e400", "1e400 1", "\"1e400"] {
        check(broken, ["error"; 7]);
        let text = format!("{{\"y\":{broken},\"x\":7}}");
        assert_eq!(shown(&text, |o| o.u64("x")), "error", "{text}");
    }
}

#[test]
fn names_and_order() {
    for (text, want) in [
        ("{}", "0"),
        ("null", "0"),
        (" {\"X\":1} \n", "1"),
        ("{\"x\":1,\"X\":2}", "2"),
        ("{\"X\":\"a\",\"\\u0078\":3,\"xx\":4,\"y\":{\"x\":5}}", "3"),
        ("{\"x\":1,\"x\":null}", "0"),
        ("[]", "error"),
        ("1", "error"),
        ("", "error"),
        ("{\"x\":1}{}", "error"),
        ("{\"x\":1", "error"),
    ] {
        assert_eq!(shown(text, |o| o.u64("x")), want, "{text}");
    }
}

#[test]
fn text_is_repaired() {
    for (text, want) in [
        (&b"\"a\xff\xc3(\""[..], "a\u{fffd}\u{fffd}("),
        (b"\"\xed\xa0\x80\"", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\"\\ud83d\\ude00\"", "\u{1f600}"),
        (b"\"\\ud83d\"", "\u{fffd}"),
        (b"\"\\ude00x\\\\ud83d\"", "\u{fffd}x\\ud83d"),
        (b"\"\\ud83d\\u0041\"", "\u{fffd}A"),
        (b"\"\\ud83d\\ud83d\\ude00\"", "\u{fffd}\u{1f600}"),
        (b"\"\\udE00\\n\"", "\u{fffd}\n"),
    ] {
        let arena = Bump::new();
        let text = [b"{\"x\":", text, b"}"].concat();
        assert_eq!(parse(&arena, &text).unwrap().str("x").unwrap(), want, "{}", text.escape_ascii());
    }
}

#[test]
fn arrays_and_base64() {
    let list = |o: &Object<'_>| o.array("x").and_then(|a| a.map(|v| v.u64()).collect::<Result<Vec<_>>>());
    for (text, want) in [
        ("{\"x\":[]}", "[]"),
        ("{\"x\":null}", "[]"),
        ("{}", "[]"),
        ("{\"x\":[1,null,3]}", "[1, 0, 3]"),
        ("{\"x\":[[1],2]}", "error"),
        ("{\"x\":{}}", "error"),
    ] {
        assert_eq!(shown(text, list), want, "{text}");
    }
    for (text, want) in [
        ("null", "[]"),
        ("\"\"", "[]"),
        ("\"//48\"", "[255, 254, 60]"),
        ("\"\\/\\/4=\"", "[255, 254]"),
        ("\"//5=\"", "[255, 254]"),
        ("\"//\\n4=\\r\"", "[255, 254]"),
        ("\"__48\"", "error"),
        ("\"//4\"", "error"),
        ("\"/\"", "error"),
        ("\" //48\"", "error"),
        ("7", "error"),
    ] {
        let got = shown(&format!("{{\"x\":{text}}}"), |o| match o.get("x") {
            Some(value) => value.base64(&Bump::new()).map(<[u8]>::to_vec),
            None => Ok(vec![]),
        });
        assert_eq!(got, want, "{text}");
    }
}

/// A nesting too deep for any stack if each level took a frame.
const FAR: usize = if cfg!(miri) { 20_000 } else { 1 << 20 };

#[test]
fn depth_costs_no_stack() {
    for (n, fine) in [(MAX_DEPTH - 1, true), (MAX_DEPTH, false), (FAR, false)] {
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(n), "]".repeat(n));
        let arena = Bump::new();
        assert_eq!(parse(&arena, deep.as_bytes()).is_ok(), fine, "{n}");
    }
}

fn with<T>(text: impl AsRef<[u8]>, check: impl FnOnce(Result<Object<'_>>) -> T) -> T {
    check(parse(&Bump::new(), text.as_ref()))
}

#[test]
fn members_of_every_kind() {
    let text = br#" {"S":"a","s":"b\n","n":7,"m":-7,"t":true,"o":{"x":{"y":[1]},"z":2},"a":[1,null,[2,[3]],4],
        "z":null,"max":18446744073709551615,"big":99999999999999999999999,"b":"AQ\nI="} "#;
    let arena = Bump::new();
    let o = parse(&arena, text).unwrap();
    assert_eq!(o.str("S"), Ok("b\n"));
    assert_eq!((o.u64("N"), o.i64("n"), o.i64("m")), (Ok(7), Ok(7), Ok(-7)));
    assert_eq!((o.bool("T"), o.u64("max")), (Ok(true), Ok(u64::MAX)));
    assert_eq!(o.object("o").unwrap().u64("Z"), Ok(2));
    assert_eq!(o.object("o").unwrap().object("x").unwrap().array("y").unwrap().count(), 1);
    let a = o.array("a").unwrap();
    assert_eq!((a.len(), a.count()), (4, 4));
    assert_eq!(o.base64(&arena, "b"), Ok(&[1, 2][..]));
    for name in ["z", "absent"] {
        assert_eq!((o.str(name), o.u64(name), o.i64(name), o.bool(name)), (Ok(""), Ok(0), Ok(0), Ok(false)));
        assert_eq!(o.object(name).unwrap().members().count(), 0);
        assert!(o.array(name).unwrap().is_empty());
        assert_eq!(o.base64(&arena, name), Ok(&[][..]));
    }
}

#[test]
fn wrong_types_are_faults() {
    let arena = Bump::new();
    let o = parse(&arena, br#"{"s":"x","n":7,"m":-1,"f":1.0,"e":1e2,"o":{},"a":[],"big":18446744073709551616}"#);
    let o = o.unwrap();
    for name in ["s", "m", "f", "e", "o", "a", "big"] {
        assert_eq!(o.u64(name), Err(NOT_UNSIGNED), "{name}");
    }
    assert_eq!((o.i64("f"), o.i64("s")), (Err(NOT_INTEGER), Err(NOT_INTEGER)));
    assert_eq!((o.str("n"), o.bool("n")), (Err(NOT_STRING), Err(NOT_BOOL)));
    assert_eq!((o.object("a").err(), o.array("o").err()), (Some(NOT_OBJECT), Some(NOT_ARRAY)));
    assert_eq!(o.base64(&arena, "s"), Err(NOT_BASE64));
}

#[test]
fn what_is_no_object() {
    for text in ["", " ", "{", "{}x", "{} {}", "{\"a\":1,}", "[1,]", "{'a':1}", "{\"a\":\"\n\"}", "nul", "{\"a\":01}"] {
        assert_eq!(with(text, |o| o.err()), Some(NOT_JSON), "{text}");
    }
    for text in ["[]", "1", "\"x\"", "true"] {
        assert_eq!(with(text, |o| o.err()), Some(NOT_OBJECT), "{text}");
    }
    assert!(with("null", |o| o.is_ok()));
}

#[test]
fn broken_text_is_replaced() {
    for (text, want) in [
        (&b"{\"a\":\"x\xffy\"}"[..], "x\u{fffd}y"),
        (b"{\"a\":\"\xe2\x82\"}", "\u{fffd}\u{fffd}"),
        (br#"{"a":"\ud83d\ude00"}"#, "\u{1f600}"),
        (br#"{"a":"\ud83dx"}"#, "\u{fffd}x"),
        (br#"{"a":"\uDE00"}"#, "\u{fffd}"),
        (br#"{"a":"\ud83d\ud83d\ude00"}"#, "\u{fffd}\u{1f600}"),
        (br#"{"a":"\\ud83d"}"#, "\\ud83d"),
        (br#"{"a":"\ud83d"}"#, "\u{fffd}"),
    ] {
        with(text, |o| assert_eq!(o.unwrap().str("a"), Ok(want), "{}", text.escape_ascii()));
    }
    assert!(with(r#"{"a":"\ud8"}"#, |o| o.is_err()));
}

#[test]
fn deep_nesting_is_no_danger() {
    for depth in [500, 5_000, FAR] {
        let text = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(with(&text, |o| o.is_ok()), depth < MAX_DEPTH);
        assert!(with("{\"a\":".repeat(depth), |o| o.is_err()));
    }
}

#[test]
fn maps_are_sorted_and_exact() {
    let arena = Bump::new();
    let o = parse(&arena, br#"{"b":"1","A":"2","b":"3","a":null}"#).unwrap();
    assert_eq!(o.string_map(&arena), Ok(&[("A", "2"), ("a", ""), ("b", "3")][..]));
    assert!(parse(&arena, br#"{"b":1}"#).unwrap().string_map(&arena).is_err());
}

/// A value with everything that can be read from it.
fn everything(arena: &Bump, value: Value<'_>) -> String {
    let object = value.object().map(|o| {
        let members: Vec<_> = o.members().map(|(name, value)| (name, everything(arena, value))).collect();
        let found: Vec<_> =
            members.iter().map(|(name, _)| o.position(name).map(|(at, v)| (at, everything(arena, v)))).collect();
        let map = o.map(arena, |value| Ok(value.str().is_ok())).unwrap().to_vec();
        (members.len() == o.members().len(), members, found, map)
    });
    let array = value.array().map(|a| (a.len(), a.map(|value| everything(arena, value)).collect::<Vec<_>>()));
    let numbers = (value.u64(), value.u32(), value.i64(), value.f64().map(f64::to_bits));
    format!("{:?} {numbers:?} {:?} {object:?} {array:?}", value.str(), value.bool())
}

/// JSON of any kind; members may be repeated, and names have escapes.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i32>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        any::<bool>().prop_map(|b| b.to_string()),
        Just("1.5e3".to_owned()),
        ".*".prop_map(|text| serde_json::json!(text).to_string()),
        Just("\"\\ud83d x\"".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![Just("\"a\""), Just("\"A\""), Just("\"\\u0061\""), Just("\"b\\n\""), Just("\"c\"")];
        let member = (name, inner.clone()).prop_map(|(name, value)| format!("{name} : {value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|all| format!("[{}]", all.join(" , "))),
            prop::collection::vec(member, 0..6).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

proptest! {
    /// Text is read like nodes.
    #[test]
    fn text_and_nodes_say_the_same(json in any_json()) {
        let arena = Bump::new();
        let text = format!("{{\"x\":{json}}}");
        let parsed = nodes(&arena, text.as_bytes()).or_else(|| nodes(&arena, &text::paired_surrogates(text.as_bytes())));
        let by_nodes = Value(Repr::Nodes(parsed.unwrap()));
        let by_text = large::parse(&arena, text.as_bytes()).unwrap().root.get("x").unwrap();
        let want = everything(&arena, by_nodes.object().unwrap().get("x").unwrap());
        prop_assert_eq!(everything(&arena, by_text), want, "{}", text);
    }

    #[test]
    fn agrees_with_another_parser(text in "[{}\\[\\]\",:0-9a-z\\\\\\- .\n\u{1}\u{7f}é]{0,24}") {
        let arena = Bump::new();
        let want = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
        if text.trim() != "null" {
            prop_assert_eq!(parse(&arena, text.as_bytes()).is_ok(), want.is_ok(), "{}", text);
        }
    }

    #[test]
    fn strings_come_back(name in ".*", value in ".*", bytes: Vec<u8>) {
        let arena = Bump::new();
        let text = serde_json::json!({ name.clone(): value.clone(), "": 1 }).to_string();
        let object = parse(&arena, text.as_bytes()).unwrap();
        let read = object.members().find(|(n, _)| *n == name).unwrap().1;
        prop_assert!(name.is_empty() || read.str() == Ok(value.as_str()));
        let _ = parse(&arena, &bytes);
    }
}
