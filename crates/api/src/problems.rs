//! Everything that the API refuses, in one table: code, status, title, what it means, what to do. The pages under
//! `/docs/problems/` are made from it. Codes are part of the contract: they are added, never renamed or reused
//! (`docs/adr/0006`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error answer, `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `/docs/problems/{code}`
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What to write code against.
    pub code: String,
    /// What is wrong this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Every single thing that is wrong; the problem's own code is the first one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemItem>,
}

/// One of the things that are wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemItem {
    /// Where: a JSON pointer into the body (`/audience/users/3`), `?limit` for a query parameter, the name with a
    /// colon for a header (`idempotency-key:`).
    pub pointer: String,
    /// What to write code against.
    pub code: String,
    /// What is wrong, for people.
    pub text: String,
}

macro_rules! codes {
    ($($(#[doc = $means:literal])+ $name:ident = $code:literal, $status:literal, $title:literal, $help:literal;)+) => {
        /// A problem code with its status and texts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $means])+ $name),+ }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The HTTP status that it goes with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }

            /// A short text, the same every time.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// What it means, in whole sentences.
            pub fn meaning(self) -> String {
                match self { $(Self::$name => concat!($($means, "\n"),+)),+ }
                    .lines()
                    .map(str::trim)
                    .collect::<Vec<_>>()
                    .join(" ")
            }

            /// What to do about it.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help),+ }
            }
        }
    };
}

codes! {
    /// The request has no API key, or one that is not valid (any more).
    Unauthorized = "unauthorized", 401, "No valid API key",
        "Send the header `Authorization: Bearer nnc_…`. An administrator makes keys with `nuncio keys create` or POST /v1/keys.";
    /// The API key is valid, but its role does not allow this.
    Forbidden = "forbidden", 403, "The API key may not do this",
        "Use a key with the role that the text names: `read` looks, `send` also sends and controls, `admin` also makes keys.";
    /// There is nothing here, or nothing that this API key may see; the two are not told apart.
    NotFound = "not_found", 404, "Not found",
        "Check the path and the id, and that the key is for the app that the object belongs to.";
    /// The path exists, but not for this method.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed here",
        "Use one of the methods that the `Allow` header lists.";
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout", 408, "The request took too long to arrive",
        "Send it again; look for a slow or broken connection if it happens often.";
    /// The same `Idempotency-Key` is being worked on at this moment.
    RequestInProgress = "request_in_progress", 409, "The first request with this key is still running",
        "Wait a second and send the same request again: it gets the first one's answer.";
    /// The message is past the point where this control means anything.
    TooLate = "too_late", 409, "Too late for this",
        "Look at the message's state: what is completed or cancelled cannot be changed, only a waiting message can be confirmed, only a paused one resumed, and what is past its time cannot be sent once more.";
    /// The list is still needed by a message whose audience is being worked out.
    ListInUse = "list_in_use", 409, "A message still needs this list",
        "Wait until the message's `audience_final` is true, or cancel it, and delete the list then.";
    /// The body is of a kind that this path does not take.
    UnsupportedMediaType = "unsupported_media_type", 415, "Not a kind of body that is taken here",
        "Send one of the content types that the text names.";
    /// The copy of the directory asks nothing at the moment that could be confirmed or rejected.
    NothingToConfirm = "nothing_to_confirm", 409, "Nothing waits for an answer",
        "Look at GET /v1/directory: only a copy in the state `asks` can be confirmed or rejected.";
    /// The copy of the directory waits for an answer before it goes on.
    DirectoryAsks = "directory_asks", 409, "The copy of the directory waits for an answer",
        "Confirm what it would take away with POST /v1/directory/{lane}/confirm, or say no with …/reject: then everything is read anew.";
    /// The body is larger than this path takes.
    BodyTooLarge = "body_too_large", 413, "The body is too large",
        "Keep the body under the limit that the text names (1 MiB for messages, 64 MiB for uploaded lists).";
    /// The body is not JSON.
    InvalidJson = "invalid_json", 400, "Not valid JSON",
        "Correct the body at the line and column that the text names.";
    /// A field, query parameter or filter that does not exist. It is refused rather than ignored, so that a typing error cannot change who gets a message.
    UnknownField = "unknown_field", 400, "A field that does not exist",
        "Correct the name or leave the field out; `errors` points at it.";
    /// A field, query parameter, header or id has the wrong type or form.
    InvalidRequest = "invalid_request", 400, "The request has the wrong form",
        "Correct what `errors` points at.";
    /// A cursor that is damaged, or from another list, filter or API key.
    BadCursor = "bad_cursor", 400, "This cursor is not for this list",
        "Start without a cursor, and use `next` only with the same path, filter and key.";
    /// A field has the right type and a value that is out of range or not one of the words allowed.
    InvalidValue = "invalid_value", 422, "A value that is not allowed",
        "Use a value that the text in `errors` names.";
    /// It is part of the contract, but not built yet. It is refused rather than ignored.
    NotSupportedYet = "not_supported_yet", 422, "Not supported yet",
        "Leave the field out, or wait for a version that has it.";
    /// The content has a text and a card. Microsoft would split them into two posts, one of them without an id.
    TextAndCard = "text_and_card", 422, "Text and card in one message",
        "Put the text into the card, or send two messages.";
    /// There is nothing to say: neither text nor card.
    EmptyContent = "empty_content", 422, "The message says nothing",
        "Give `content.text` or `content.card`.";
    /// The card is not an Adaptive Card.
    CardInvalid = "card_invalid", 422, "Not an Adaptive Card",
        "`content.card` is an object with `\"type\": \"AdaptiveCard\"`, a `version` and a `body`.";
    /// The content is larger than Teams takes for sure: 80 KB, counted as UTF-16.
    MessageTooBig = "message_too_big", 422, "The message is too big for Teams",
        "Shorten it, and link to long texts and pictures instead of putting them in.";
    /// The audience names nobody.
    EmptyAudience = "empty_audience", 422, "The audience is empty",
        "Give `audience.users`, `audience.lists`, `audience.groups`, `audience.teams`, `audience.channels`, `audience.chats`, `\"installed\": true` or `\"everyone\": true`.";
    /// More named recipients than one request takes.
    AudienceTooLong = "audience_too_long", 422, "Too many named recipients",
        "Name at most 10,000 in one message (1,000 for `urgent`), and upload longer lists (POST /v1/audiences).";
    /// A line of an uploaded list that names nobody: neither an Entra object id nor a sign-in name or mail address, or cut off in the middle. Nothing of the list is stored.
    ListLineInvalid = "list_line_invalid", 422, "A line that names nobody",
        "Correct the lines that are named, or empty them (empty lines do not count), and upload the list again.";
    /// The uploaded list is in no encoding that is read: UTF-8, or UTF-16 with a byte order mark.
    ListNotText = "list_not_text", 422, "The list is not UTF-8",
        "Save it as UTF-8 (in Excel: \"CSV UTF-8\"), and upload it again; `errors` points at the first line that is not.";
    /// The uploaded list has more than 1,000,000 lines.
    ListTooLong = "list_too_long", 422, "Too many lines in one list",
        "Split it: a message takes several lists, and everybody in them once.";
    /// The uploaded list names nobody: it has no lines, or empty ones and a header only.
    ListEmpty = "list_empty", 422, "The list names nobody",
        "Give one person a line, by Entra object id, sign-in name or mail address.";
    /// There is no such uploaded list that this API key may see, or it is one of another app or tenant than the message.
    UnknownList = "unknown_list", 422, "No such list",
        "Look at GET /v1/audiences; a message takes lists of its own app and tenant.";
    /// An urgent message goes before everything else, so it takes at most 1,000 recipients that are named.
    UrgentAudience = "urgent_audience", 422, "Too wide for an urgent message",
        "Name at most 1,000 recipients, or use the priority `normal`.";
    /// The earlier message has no deliveries in these states with these reasons.
    NothingToRetry = "nothing_to_retry", 422, "Nothing to try again",
        "Look at its `counts` and reasons. Delivered ones are never sent again, ambiguous ones are settled.";
    /// The delivery belongs to another message than the one in the path.
    OtherMessage = "other_message", 422, "A delivery of another message",
        "Name deliveries from GET /v1/messages/{id}/deliveries?state=ambiguous of this message.";
    /// The recipient is neither an Entra object id nor a sign-in name or mail address, or the group, team, channel or chat is not the id of one.
    RecipientInvalid = "recipient_invalid", 422, "Not a recipient",
        "People are named by Entra object id (a GUID), sign-in name or mail address, groups by Entra object id, teams by that of their group or as Teams calls them (`19:…@thread.tacv2`), channels and group chats by conversation id (`19:…@thread.tacv2`, `19:…@thread.v2`).";
    /// The person is named by a sign-in name or mail address, which Teams itself does not take, and Microsoft Graph knows nobody by it, or several.
    UpnNotResolvable = "upn_not_resolvable", 422, "Not exactly one person in the directory",
        "Correct the name, or give the person's Entra object id; GET /v1/people has those that the app has met.";
    /// The audience can only be known from the directory, and the configuration gives the app nothing to ask Microsoft Graph with.
    DirectoryNotConfigured = "directory_not_configured", 422, "Microsoft Graph is not configured",
        "Add to the configuration what the text names, or name people by Entra object id.";
    /// The audience can only be known from the directory, and Microsoft Graph refuses to tell the app.
    DirectoryRefused = "directory_refused", 422, "Microsoft Graph refuses",
        "Do what the text says (an administrator of the tenant grants roles and consents), or name people by Entra object id.";
    /// The message is to have the app installed, and the configuration does not allow that to the app, or the API key may not.
    InstallNotAllowed = "install_not_allowed", 422, "Installing is not allowed",
        "Do what the text says, or leave `install` out: people who do not have the app are then `failed` or `skipped`.";
    /// The app has no synchronised copy of the directory: Microsoft Graph is asked each time.
    DirectoryNotSynchronised = "directory_not_synchronised", 422, "There is no copy of the directory",
        "Set `directory = \"synchronised\"` in the app's table of the configuration, and restart the server.";
    /// There are several apps or tenants to send with, and a message goes to one app in one tenant.
    OneLane = "one_lane", 422, "Which app or tenant?",
        "Give `app` and `tenant`; for several, send one message each.";
    /// There is no app of this name that this API key may use.
    UnknownApp = "unknown_app", 422, "No such app",
        "Use the name after `app.` in the configuration file; a key may be limited to one app.";
    /// The app is not allowed to send in this tenant.
    UnknownTenant = "unknown_tenant", 422, "Not a tenant of this app",
        "Use one of the app's `allowed_tenants`, or have it added to the configuration.";
    /// The `Idempotency-Key` was used with another body within 24 hours.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "This Idempotency-Key was used with another body",
        "Use a new key for a new request, and the same body when you repeat one.";
    /// Something failed on our side. It is logged with the request id.
    Internal = "internal", 500, "Internal error",
        "Send it again with the same Idempotency-Key; if it stays, give an administrator the `x-request-id` of the answer.";
    /// The database is busy or not there.
    Unavailable = "unavailable", 503, "Not available at the moment",
        "Send it again in a few seconds with the same Idempotency-Key; /readyz tells when it is back.";
    /// As many requests of this heavy kind as the server works on at a time are under way, and no more may wait.
    Busy = "busy", 503, "Too many of these at a time",
        "Send it again after the seconds that the `Retry-After` header names, and one after the other rather than together.";
    /// Microsoft Graph did not find all names in time, or does not answer at the moment.
    DirectoryUnavailable = "directory_unavailable", 503, "The directory does not answer at the moment",
        "Send it again in a minute with the same Idempotency-Key, with fewer names in one message, or name people by Entra object id, which needs no look-up.";
}

impl Code {
    /// The code of a word, if it is one.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }

    /// Where its page is, relative to the server.
    pub fn path(self) -> String {
        format!("/docs/problems/{}", self.as_str())
    }

    /// Its page, as plain text.
    pub fn page(self) -> String {
        format!(
            "{title}\n\ncode:   {code}\nstatus: {status}\n\n{meaning}\n\nWhat to do: {help}\n",
            title = self.title(),
            code = self.as_str(),
            status = self.status(),
            meaning = self.meaning(),
            help = self.help(),
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Problem {
    /// A problem with what is wrong this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            problem_type: code.path(),
            title: code.title().to_owned(),
            status: code.status(),
            code: code.as_str().to_owned(),
            detail: Some(detail.into()),
            errors: Vec::new(),
        }
    }
}

/// One or two lines for a person.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.title, self.code)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_texts_and_is_found_by_its_word() {
        for code in Code::ALL {
            assert_eq!(Code::of_word(code.as_str()), Some(*code));
            assert!((400..600).contains(&code.status()), "{code}");
            assert!(code.meaning().ends_with('.'), "{code}: {}", code.meaning());
            assert!(code.help().ends_with(['.', '`']), "{code}");
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code}");
            assert!(code.page().contains(code.title()));
        }
        assert_eq!(Code::of_word("nonsense"), None);
    }

    #[test]
    fn words_are_unique() {
        for code in Code::ALL {
            assert_eq!(Code::ALL.iter().filter(|other| other.as_str() == code.as_str()).count(), 1, "{code}");
        }
    }
}
