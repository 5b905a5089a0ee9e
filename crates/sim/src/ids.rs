//! The opaque ids that Microsoft hands out: `29:…` for a person and `a:…` for a chat, both different for every bot
//! ("pairwise", protocol section 4.0). Ours are sealed, so a forged or foreign one is recognised without a table.

use crate::signing::{b64, sha256, unb64};

/// What an id was made for. Another bot, another seed or another kind gives another id.
#[derive(Clone, Copy)]
pub(crate) struct Sealer<'a> {
    pub(crate) app_id: &'a str,
    pub(crate) seed: u64,
}

impl Sealer<'_> {
    fn seal(&self, kind: &str, index: u32, generation: u32) -> String {
        let mut plain = [0; 8];
        plain[..4].copy_from_slice(&index.to_be_bytes());
        plain[4..].copy_from_slice(&generation.to_be_bytes());
        let tag = self.tag(kind, &plain);
        let mask = self.tag("mask", &tag);
        let mut out = tag.to_vec();
        out.extend(plain.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        b64(out)
    }

    fn open(&self, kind: &str, sealed: &str) -> Option<(u32, u32)> {
        let bytes = unb64(sealed)?;
        let (tag, masked) = bytes.split_at_checked(16)?;
        let mask = self.tag("mask", tag);
        let mut plain = [0; 8];
        if masked.len() != plain.len() {
            return None;
        }
        for (i, byte) in masked.iter().enumerate() {
            plain[i] = byte ^ mask[i];
        }
        if self.tag(kind, &plain) != tag {
            return None;
        }
        let (index, generation) = plain.split_at(4);
        Some((u32::from_be_bytes(index.try_into().ok()?), u32::from_be_bytes(generation.try_into().ok()?)))
    }

    fn tag(&self, kind: &str, data: &[u8]) -> [u8; 16] {
        let hash =
            sha256(&[kind.as_bytes(), b"|", self.app_id.as_bytes(), b"|", &self.seed.to_be_bytes(), data]);
        let mut tag = [0; 16];
        tag.copy_from_slice(&hash[..16]);
        tag
    }

    /// `29:1…`
    pub(crate) fn person(&self, index: u32) -> String {
        format!("29:1{}", self.seal("person", index, 0))
    }

    pub(crate) fn open_person(&self, id: &str) -> Option<u32> {
        self.open("person", id.strip_prefix("29:1")?).map(|(index, _)| index)
    }

    /// `a:1…`; a new generation is a new chat with the same person.
    pub(crate) fn chat(&self, index: u32, generation: u32) -> String {
        format!("a:1{}", self.seal("chat", index, generation))
    }

    /// A session beside the chat: it looks like one.
    pub(crate) fn session(&self, index: u32, number: u32) -> String {
        format!("a:1{}", self.seal("session", index, number))
    }

    pub(crate) fn open_session(&self, id: &str) -> Option<(u32, u32)> {
        self.open("session", id.strip_prefix("a:1")?)
    }

    pub(crate) fn open_chat(&self, id: &str) -> Option<(u32, u32)> {
        self.open("chat", id.strip_prefix("a:1")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_open_only_for_the_bot_they_were_made_for() {
        let ours = Sealer { app_id: "one", seed: 1 };
        let theirs = Sealer { app_id: "two", seed: 1 };
        assert_eq!(ours.open_chat(&ours.chat(7, 3)), Some((7, 3)));
        assert_eq!(ours.open_person(&ours.person(7)), Some(7));
        assert_eq!(theirs.open_chat(&ours.chat(7, 3)), None);
        assert_eq!(ours.open_person("29:b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b"), None);
        assert_eq!(ours.open_chat("a:1"), None);
    }
}
