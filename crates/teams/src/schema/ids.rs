//! The ids that Teams gives to bots and conversations (protocol section 4.0).

/// The thread that a conversation id belongs to: a channel's base id without `;messageid=…`, any other id unchanged.
/// Microsoft's limits and our order are per thread.
pub fn thread_of(conversation_id: &str) -> &str {
    conversation_id.split_once(";messageid=").map_or(conversation_id, |(base, _)| base)
}

/// A bot's id on the channel: `28:` and its app id. One that has the prefix already is left as it is.
pub fn bot_channel_id(app_id: &str) -> String {
    if app_id.starts_with("28:") { app_id.to_owned() } else { format!("28:{app_id}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads() {
        assert_eq!(
            thread_of("19:5be1c0f2a8d94e7f@thread.tacv2;messageid=1795356400456"),
            "19:5be1c0f2a8d94e7f@thread.tacv2"
        );
        assert_eq!(thread_of("19:x@thread.v2"), "19:x@thread.v2");
        assert_eq!(thread_of("a:1Xv9QnB3pLr"), "a:1Xv9QnB3pLr");
        assert_eq!(thread_of(""), "");
    }

    #[test]
    fn bots() {
        assert_eq!(bot_channel_id("3c9e"), "28:3c9e");
        assert_eq!(bot_channel_id("28:3c9e"), "28:3c9e");
    }
}
