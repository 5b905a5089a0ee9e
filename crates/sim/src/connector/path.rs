//! Percent-decoding, once. Ids come raw or encoded (protocol section 5).

/// Decodes `%41` to `A`; what is no such sequence stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |place: usize| bytes.get(place).and_then(|byte| (*byte as char).to_digit(16));
        if bytes[at] == b'%'
            && let (Some(high), Some(low)) = (hex(at + 1), hex(at + 2))
        {
            out.push((high * 16 + low) as u8);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// As [`decode`], but `None` where the web server in front refuses: half a sequence, no UTF-8, control characters.
pub(crate) fn decode_strictly(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let whole =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
            bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
        });
    if !whole {
        return None;
    }
    let decoded = decode(text);
    // What was no UTF-8 became the sign for it, which no id has.
    (!decoded.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER)).then_some(decoded)
}

/// A parameter of a query, decoded; names without regard to case.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| decode(&value.replace('+', " ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once() {
        assert_eq!(decode("19%3Aabc%40thread.tacv2%3Bmessageid%3D1"), "19:abc@thread.tacv2;messageid=1");
        assert_eq!(decode("19:abc@thread.tacv2;messageid=1"), "19:abc@thread.tacv2;messageid=1");
        assert_eq!(decode("a%253A"), "a%3A");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(
            parameter("pageSize=10&continuationtoken=a%3D", "continuationToken").as_deref(),
            Some("a=")
        );
    }
}
