//! An open message, as the look of an owner finds it.

use nuncio_domain::directory::Include;
use nuncio_domain::message::{
    Class, Content, Control, MessageState, OnAmbiguous, OpenMessage, WhenUnreachable,
};
use nuncio_domain::own_words::Purpose;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{InstallPolicy, MessageId, Time};
use serde::Deserialize;
use uuid::Uuid;

use crate::error::broken;
use crate::found_row::Flag;

/// The columns, in the order of the statement.
#[derive(Deserialize)]
pub(crate) struct FoundMessage {
    /// Which of the lanes that were asked for together it is of.
    pub(crate) asked: usize,
    message_no: i64,
    id: String,
    class: Class,
    state: MessageState,
    control: Option<Control>,
    content: Content,
    on_ambiguous: Option<OnAmbiguous>,
    audience_final: Flag,
    send_at: Option<i64>,
    expires_at: i64,
    created_at: i64,
    purpose: Purpose,
    gathers: Flag,
    include: Option<String>,
    install: Option<InstallPolicy>,
    when_unreachable: WhenUnreachable,
    cause: Option<String>,
    retries: Flag,
}

impl FoundMessage {
    pub(crate) fn open(self) -> Result<OpenMessage, StoreError> {
        let id = Uuid::try_parse(&self.id).map_err(|_| broken("id holds no UUID"))?;
        Ok(OpenMessage {
            message_no: self.message_no,
            id: MessageId(id),
            class: self.class,
            state: self.state,
            control: self.control,
            content: self.content,
            on_ambiguous: self.on_ambiguous,
            when_unreachable: self.when_unreachable,
            cause: self.cause,
            purpose: self.purpose,
            install: self.install.unwrap_or(InstallPolicy::Never),
            gathers: self.gathers.0,
            audience_final: self.audience_final.0,
            include: Include::of_word(self.include.as_deref()),
            send_at: self.send_at.map(Time),
            expires_at: Time(self.expires_at),
            created_at: Time(self.created_at),
            retries: self.retries.0,
        })
    }
}
