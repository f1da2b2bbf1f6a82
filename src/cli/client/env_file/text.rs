//! The text of an env file: where a variable is given, and the same text with another value. Pure; works on bytes, so that
//! whatever else stands in the file stays as it is.

use std::ops::Range;

/// One place where a variable is given a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    /// Where its value stands, quotes included.
    value: Range<usize>,
    /// The value without its quotes.
    text: Range<usize>,
}

/// A line's bytes, its end excluded, and where the next line begins.
fn line_at(text: &[u8], start: usize) -> (Range<usize>, usize) {
    match text[start..].iter().position(|byte| *byte == b'\n') {
        Some(length) => {
            let end = start + length;
            let end_of_words = if text[start..end].ends_with(b"\r") { end - 1 } else { end };
            (start..end_of_words, end + 1)
        }
        None => (start..text.len(), text.len()),
    }
}

fn skip_blanks(text: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && (text[at] == b' ' || text[at] == b'\t') {
        at += 1;
    }
    at
}

/// An assignment's name and where its sign ends: `NAME=`, `export NAME=`, with blanks wherever people put them.
fn assignment(text: &[u8], line: &Range<usize>) -> Option<(Range<usize>, usize)> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || byte == b'-';
    let mut at = skip_blanks(text, line.start, line.end);
    if let Some(rest) = text[at..line.end].strip_prefix(b"export")
        && rest.first().is_some_and(|byte| *byte == b' ' || *byte == b'\t')
    {
        at = skip_blanks(text, at + 6, line.end);
    }
    let name_end = text[at..line.end].iter().position(|byte| !is_word(*byte)).map_or(line.end, |length| at + length);
    let sign = skip_blanks(text, name_end, line.end);
    let is_assignment = name_end > at && sign < line.end && text[sign] == b'=';
    is_assignment.then(|| (at..name_end, sign + 1))
}

/// Where a quoted value ends, its closing quote excluded: on this line, or on a later one as dotenv files allow.
fn closing_quote(text: &[u8], open: usize) -> Option<usize> {
    let quote = text[open];
    let mut at = open + 1;
    while at < text.len() {
        match text[at] {
            b'\\' if quote == b'"' => at += 1,
            byte if byte == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The value that follows the sign before `sign_end`, on a line that ends at `end`.
fn value_at(text: &[u8], sign_end: usize, end: usize) -> Given {
    let start = skip_blanks(text, sign_end, end);
    if start < end
        && matches!(text[start], b'"' | b'\'' | b'`')
        && let Some(close) = closing_quote(text, start)
    {
        return Given { value: start..close + 1, text: start + 1..close };
    }
    let rest = &text[start..end];
    // A comment after a value without quotes begins with a blank and a number sign.
    let comment =
        if rest.starts_with(b"#") { Some(0) } else { rest.windows(2).position(|two| matches!(two, b" #" | b"\t#")) };
    let mut value_end = comment.map_or(end, |length| start + length);
    while value_end > start && (text[value_end - 1] == b' ' || text[value_end - 1] == b'\t') {
        value_end -= 1;
    }
    // Where there is none yet, it goes right behind the sign, or a comment would become a part of it.
    let value = if value_end == start { sign_end..sign_end } else { start..value_end };
    Given { text: value.clone(), value }
}

fn all_given(text: &[u8], name: &str) -> Vec<Given> {
    let mut found = Vec::new();
    let mut start = if text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    while start < text.len() {
        let (line, mut next) = line_at(text, start);
        if let Some((found_name, sign_end)) = assignment(text, &line) {
            let given = value_at(text, sign_end, line.end);
            if given.value.end > line.end {
                // The value goes on over more lines, and what stands in them is no assignment.
                next = line_at(text, given.value.end).1;
            }
            if text[found_name] == *name.as_bytes() {
                found.push(given);
            }
        }
        start = next;
    }
    found
}

/// The values that a variable is given in a text, the quotes taken off; nothing when it is not there. Comments do not count.
pub(super) fn values_of<'t>(text: &'t [u8], name: &str) -> Vec<&'t [u8]> {
    all_given(text, name).into_iter().map(|given| &text[given.text]).collect()
}

/// The text with a variable set: every place that gives it one gets the new value, and if there is none, a line is added at
/// the end, after the newline that was missing there, with the line ends that the file has.
pub(super) fn with_value(text: &[u8], name: &str, value: &str) -> Vec<u8> {
    let given = all_given(text, name);
    if given.is_empty() {
        return with_line(text, &format!("{name}={value}"));
    }
    let mut new = Vec::with_capacity(text.len() + value.len());
    let mut done = 0;
    for Given { value: place, .. } in given {
        new.extend_from_slice(&text[done..place.start]);
        new.extend_from_slice(value.as_bytes());
        done = place.end;
    }
    new.extend_from_slice(&text[done..]);
    new
}

/// The text with one more line at its end.
pub(super) fn with_line(text: &[u8], line: &str) -> Vec<u8> {
    let newline: &[u8] = if has_crlf(text) { b"\r\n" } else { b"\n" };
    let mut new = text.to_vec();
    if !new.is_empty() && !new.ends_with(b"\n") && new != b"\xEF\xBB\xBF" {
        new.extend_from_slice(newline);
    }
    new.extend_from_slice(line.as_bytes());
    new.extend_from_slice(newline);
    new
}

/// Whether most lines end as Windows ends them.
fn has_crlf(text: &[u8]) -> bool {
    let crlf = text.windows(2).filter(|two| two == b"\r\n").count();
    let all = text.iter().filter(|byte| **byte == b'\n').count();
    crlf > 0 && crlf * 2 >= all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str) {
        let new = with_value(before.as_bytes(), "APP_API_KEY", "new");
        assert_eq!(String::from_utf8(new).unwrap(), after, "from {before:?}");
    }

    #[test]
    fn a_line_is_added_at_the_end() {
        check("", "APP_API_KEY=new\n");
        check("A=1\n", "A=1\nAPP_API_KEY=new\n");
        check("A=1", "A=1\nAPP_API_KEY=new\n");
        check("A=1\n\n", "A=1\n\nAPP_API_KEY=new\n");
        check("\u{FEFF}", "\u{FEFF}APP_API_KEY=new\n");
    }

    #[test]
    fn line_ends_stay_what_they_are() {
        check("A=1\r\nB=2\r\n", "A=1\r\nB=2\r\nAPP_API_KEY=new\r\n");
        check("A=1\r\nB=2", "A=1\r\nB=2\r\nAPP_API_KEY=new\r\n");
        check("APP_API_KEY=old\r\nB=2\r\n", "APP_API_KEY=new\r\nB=2\r\n");
        check("A=1\nB=2\r\nC=3\n", "A=1\nB=2\r\nC=3\nAPP_API_KEY=new\n");
    }

    #[test]
    fn an_existing_line_keeps_everything_but_its_value() {
        check("A=1\nAPP_API_KEY=old\nB=2\n", "A=1\nAPP_API_KEY=new\nB=2\n");
        check("APP_API_KEY=old", "APP_API_KEY=new");
        check("export APP_API_KEY=old\n", "export APP_API_KEY=new\n");
        check("  export\tAPP_API_KEY = old # mine\n", "  export\tAPP_API_KEY = new # mine\n");
        check("APP_API_KEY=\"old # not a comment\" # mine\n", "APP_API_KEY=new # mine\n");
        check("APP_API_KEY='old'\n", "APP_API_KEY=new\n");
        check("APP_API_KEY=\n", "APP_API_KEY=new\n");
        check("APP_API_KEY= # fill in\n", "APP_API_KEY=new # fill in\n");
        check("\u{FEFF}APP_API_KEY=old\n", "\u{FEFF}APP_API_KEY=new\n");
        check("APP_API_KEY=one\nAPP_API_KEY=two\n", "APP_API_KEY=new\nAPP_API_KEY=new\n");
        check("APP_API_KEY=\"a\nb\"\nB=2\n", "APP_API_KEY=new\nB=2\n");
        check("APP_API_KEY='no end\nB=2\n", "APP_API_KEY=new\nB=2\n");
    }

    #[test]
    fn what_only_looks_like_it_is_left_alone() {
        for other in [
            "# APP_API_KEY=old\n",
            "#APP_API_KEY=old\n",
            "APP_API_KEY_OLD=1\n",
            "MY_APP_API_KEY=1\n",
            "app_api_key=1\n",
            "exportAPP_API_KEY=1\n",
            "A=\"x\nAPP_API_KEY=old\n\"\n",
            "APP_API_KEY\n",
            "APP_API_KEY: old\n",
        ] {
            check(other, &format!("{other}APP_API_KEY=new\n"));
            assert_eq!(values_of(other.as_bytes(), "APP_API_KEY"), Vec::<&[u8]>::new(), "{other:?}");
        }
    }

    #[test]
    fn values_are_read_without_their_quotes() {
        let values = |text: &'static str| {
            let found = values_of(text.as_bytes(), "APP_API_KEY");
            found.into_iter().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(
            values("APP_API_KEY=\"a b\"\nexport APP_API_KEY='c' # x\nAPP_API_KEY=d#e # f\nAPP_API_KEY=\n"),
            ["a b", "c", "d#e", ""]
        );
        assert_eq!(values("APP_API_KEY=\"a\\\"b\" # x\n"), ["a\\\"b"]);
    }

    #[test]
    fn bytes_that_are_no_text_survive() {
        let before = b"A=\xff\xfe\nAPP_API_KEY=old\n\x80";
        assert_eq!(with_value(before, "APP_API_KEY", "new"), b"A=\xff\xfe\nAPP_API_KEY=new\n\x80");
    }
}
