//! As much of Redis's protocol as tells where an answer ends.

/// How many values of Redis's protocol these bytes are; nothing if the last one's end is missing.
///
/// Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/> (RESP2)
pub(super) fn whole_values(mut bytes: &[u8]) -> Option<usize> {
    let mut values = 0;
    while !bytes.is_empty() {
        bytes = &bytes[value_length(bytes)?..];
        values += 1;
    }
    Some(values)
}

/// How long the first value is.
fn value_length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|end| end == b"\r\n")? + 2;
    let number = || -> Option<i64> { std::str::from_utf8(&bytes[1..line - 2]).ok()?.parse().ok() };
    match bytes[0] {
        b'$' => match usize::try_from(number()?) {
            Ok(length) => Some(line + length + 2).filter(|end| bytes.len() >= *end),
            Err(_) => Some(line),
        },
        b'*' => (0..number()?).try_fold(line, |end, _| Some(end + value_length(&bytes[end..])?)),
        _ => Some(line),
    }
}
