//! Ids as they appear on the wire: a prefix and 128 bits in Crockford base32 (the TypeID form, `docs/adr/0004`).
//!
//! Inside, rows are keyed by integers; `dlv_…` carries its two integers instead of a UUID, so no column and no index
//! is spent on it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 26 characters of 5 bits hold 128 bits with two to spare.
const LENGTH: usize = 26;

fn encode(value: u128) -> String {
    (0..LENGTH)
        .rev()
        .map(|position| char::from(ALPHABET[usize::try_from((value >> (5 * position)) & 31).unwrap_or(0)]))
        .collect()
}

fn decode(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    // The first character holds only three bits of the number.
    if bytes.len() != LENGTH || bytes[0] > b'7' {
        return None;
    }
    bytes.iter().try_fold(0_u128, |value, byte| {
        let digit = ALPHABET.iter().position(|letter| letter == byte)?;
        Some((value << 5) | digit as u128)
    })
}

/// An id that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_…: 26 characters of 0-9 and a-z without i, l, o, u")]
pub struct BadId {
    pub prefix: &'static str,
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), encode(self.0.as_u128()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(|value| Self(Uuid::from_u128(value)))
                    .ok_or(BadId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_id!(
    /// A message, `msg_…` over UUIDv7.
    MessageId,
    "msg"
);
typed_id!(
    /// An uploaded list of people, `aud_…` over UUIDv7.
    AudienceId,
    "aud"
);
typed_id!(
    /// An API key, `key_…` over UUIDv7. Not the secret.
    KeyId,
    "key"
);

/// A delivery, `dlv_…`: the message's number in the upper half, the recipient's in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    pub message_no: i64,
    pub recipient_no: i64,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = (u128::from(self.message_no as u64) << 64) | u128::from(self.recipient_no as u64);
        write!(f, "dlv_{}", encode(value))
    }
}

impl FromStr for DeliveryId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let value = text.strip_prefix("dlv_").and_then(decode).ok_or(BadId { prefix: "dlv" })?;
        Ok(Self { message_no: (value >> 64) as i64, recipient_no: value as i64 })
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A lane, `lane_…`: its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub i64);

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane_{}", encode(u128::from(self.0 as u64)))
    }
}

impl FromStr for LaneId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let value = text.strip_prefix("lane_").and_then(decode).ok_or(BadId { prefix: "lane" })?;
        i64::try_from(value).map(Self).map_err(|_| BadId { prefix: "lane" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_typeid() {
        // The example of the TypeID specification.
        let id = MessageId(Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap());
        assert_eq!(id.to_string(), "msg_01h455vb4pex5vsknk084sn02q");
        assert_eq!("msg_01h455vb4pex5vsknk084sn02q".parse(), Ok(id));
    }

    #[test]
    fn refuses_other_prefix_length_alphabet_and_overflow() {
        for text in [
            "key_01h455vb4pex5vsknk084sn02q",
            "msg_01h455vb4pex5vsknk084sn02",
            "msg_01h455vb4pex5vsknk084sn02u",
            "msg_81h455vb4pex5vsknk084sn02q",
            "msg_",
            "",
        ] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn delivery_ids_carry_both_numbers(message_no in 0..i64::MAX, recipient_no in 0..i64::MAX) {
            let id = DeliveryId { message_no, recipient_no };
            prop_assert_eq!(id.to_string().parse::<DeliveryId>().unwrap(), id);
        }

        #[test]
        fn lane_ids_carry_their_number(lane_no in 0..i64::MAX) {
            prop_assert_eq!(LaneId(lane_no).to_string().parse(), Ok(LaneId(lane_no)));
        }

        #[test]
        fn reading_never_panics(text in ".{0,40}") {
            let _ = text.parse::<MessageId>();
            let _ = format!("dlv_{text}").parse::<DeliveryId>();
            let _ = format!("lane_{text}").parse::<LaneId>();
        }
    }
}
