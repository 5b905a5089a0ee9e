//! Bytes to text: UTF-8 with or without a byte order mark, and the UTF-16 that Excel writes as "Unicode text".

use std::borrow::Cow;

/// The text, or the first line that is none.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, i64> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)?),
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(utf8(rest)?),
        bytes => Cow::Borrowed(utf8(bytes)?),
    };
    // UTF-16 without its mark is right UTF-8, with a zero beside each letter.
    match text.find('\0') {
        Some(at) => Err(line_at(text[..at].as_bytes())),
        None => Ok(text),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, i64> {
    std::str::from_utf8(bytes).map_err(|error| line_at(&bytes[..error.valid_up_to()]))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, i64> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len() / 2);
    for letter in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        let Ok(letter) = letter else { return Err(line_at(text.as_bytes())) };
        text.push(letter);
    }
    if odd.is_empty() { Ok(text) } else { Err(line_at(text.as_bytes())) }
}

fn line_at(before: &[u8]) -> i64 {
    before.split(|byte| *byte == b'\n').count() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn what_excel_writes() {
        for text in ["", "a\r\nö\r\n", "😀"] {
            assert_eq!(decode(text.as_bytes()).unwrap(), text);
            assert_eq!(decode(format!("\u{feff}{text}").as_bytes()).unwrap(), text);
            assert_eq!(decode(&units(text, u16::to_le_bytes)).unwrap(), text);
            assert_eq!(decode(&units(text, u16::to_be_bytes)).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        // "Müller" as Windows writes it.
        assert_eq!(decode(b"a\nb\nM\xfcller\n"), Err(3));
        let mut without_mark = units("a\nb", u16::to_le_bytes);
        without_mark.drain(..2);
        assert_eq!(decode(&without_mark), Err(1));
        let mut cut = units("a\nb", u16::to_le_bytes);
        cut.pop();
        assert_eq!(decode(&cut), Err(2));
        assert_eq!(decode(&[0xff, 0xfe, b'a', 0, b'\n', 0, 0x00, 0xd8]), Err(2));
    }
}
