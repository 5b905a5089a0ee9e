//! What the rest of the program provides. Object-safe; each method that writes is one transaction, and no
//! transaction leaves a method.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::batch::{Batch, Committed, Inherited, Key, Late, Row};
use crate::directory::{Asker, DirectoryPerson, DirectorySource, Fill};
use crate::directory_copy::{Compared, CopiedPeople, CopyCounts, CopyPage, CopyWord, DirectoryCopy};
use crate::ids::{AudienceId, KeyId, MessageId};
use crate::lists::{Added, Deleted, Found, Names, NewList, Unresolved, UploadedList};
use crate::message::{
    ControlRequest, Controlled, Expanded, Idempotency, LaneControl, NewMessage, Opened, SettleRequest,
    Settled, Spoken, Submitted,
};
use crate::outcome::{Answer, Operation};
use crate::people::{Lane, LaneView, Learned, LearnedDone, OptOut, PeopleFilter, Person, Reference};
use crate::places::{Conversation, ConversationFilter, Team, TeamFilter};
use crate::reach::{ChangeFilter, Past, Position, Share, StateChanges};
use crate::scope::{ApiKey, Scope};
use crate::time::Time;
use crate::views::{AttemptView, DeliveryFilter, DeliveryView, MessageFilter, MessageView, Page};

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Busy, cut off or shutting down; the same call may work later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A row holds what no version of ours wrote, or a statement is wrong.
    #[error("the database answered unexpectedly: {0}")]
    Broken(String),
    /// Another process has taken over what this one owned: it must not write any more.
    #[error("another nuncio has taken over the database")]
    Fenced,
}

/// Messages and their deliveries. The first six methods serve the API, the others the owner of a lane.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Stores a message with its named recipients and its idempotency key. `scope` says whose key it is.
    async fn submit(&self, scope: &Scope, new: NewMessage) -> Result<Submitted, StoreError>;
    /// What an idempotency key was used for in the last day, without storing anything: a repeated request is answered
    /// as it was, whatever has become of what it asked for.
    async fn repeated(
        &self,
        scope: &Scope,
        idempotency: &Idempotency,
        now: Time,
    ) -> Result<Option<Submitted>, StoreError>;
    /// Leaves word for the owner.
    async fn control(&self, request: ControlRequest<'_>, now: Time) -> Result<Controlled, StoreError>;
    /// Leaves word about ambiguous deliveries for the owner.
    async fn settle(&self, request: SettleRequest<'_>, now: Time) -> Result<Settled, StoreError>;
    /// Leaves word for the owner of a lane; whether the caller has such a lane.
    async fn control_lane(
        &self,
        scope: &Scope,
        lane_no: i64,
        control: LaneControl,
        now: Time,
    ) -> Result<bool, StoreError>;
    async fn message(&self, scope: &Scope, id: MessageId) -> Result<Option<MessageView>, StoreError>;
    /// Newest first; `after` is the last `message_no` of the page before.
    async fn messages(
        &self,
        scope: &Scope,
        filter: &MessageFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<MessageView>, StoreError>;
    /// By recipient number; `None` where the caller may not see the message.
    async fn deliveries(
        &self,
        scope: &Scope,
        id: MessageId,
        filter: &DeliveryFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Option<Page<DeliveryView>>, StoreError>;
    async fn delivery(
        &self,
        scope: &Scope,
        key: Key,
    ) -> Result<Option<(MessageId, DeliveryView, Vec<AttemptView>)>, StoreError>;

    /// Takes over what a dead owner left in flight: `ambiguous` where the message holds, else pending again and due
    /// 30 s after that attempt's start, once (`docs/delivery.md`, Ambiguous). Returns how many of each.
    async fn recover(&self, lane_no: i64, now: Time) -> Result<(i64, i64), StoreError>;
    /// What there is to do in a lane: messages that are not final, or final with rows to sweep, whose number is above
    /// `after` or whose owner was left word or still gathers; and words about the lane and its ambiguous deliveries.
    async fn open(&self, lane_no: i64, after: i64) -> Result<Opened, StoreError>;
    /// Adds up to `limit` deliveries of the audience. With the last one, `audience_final` is set and the message
    /// becomes `sending`, or `waiting` if it is larger than `max_recipients`.
    /// Where it meets a source of the directory that was not read to its end, it says which page it wants; where it meets
    /// an uploaded list with names, which list that is.
    async fn expand(&self, message_no: i64, limit: i64, now: Time) -> Result<Expanded, StoreError>;
    /// Stores a page that an expansion wanted: people, members, and where the source goes on. A page that comes twice,
    /// or for a message that was closed meanwhile, changes nothing; whether it was taken.
    async fn fill(&self, fill: Fill, now: Time) -> Result<bool, StoreError>;
    /// The next names of an uploaded list that are to be looked up, `limit` at most; `None` once all were.
    async fn names(&self, list_no: i64, limit: i64) -> Result<Option<Names>, StoreError>;
    /// Stores whom names stand for: people become members of the list, and so do names that are not exactly one person's,
    /// for which nothing is ever sent. What comes twice, or for a list that is gone, changes nothing; whether it was taken.
    async fn found(&self, found: Found, now: Time) -> Result<bool, StoreError>;
    /// Pending deliveries without a due time, by recipient number after `after`.
    async fn page(&self, message_no: i64, after: i64, limit: i64) -> Result<Vec<Row>, StoreError>;
    /// Pending deliveries with a due time up to `until`, soonest first. Those that wait for their recipient are never
    /// among them.
    async fn due(&self, lane_no: i64, until: Time, limit: i64) -> Result<Vec<Row>, StoreError>;
    /// What an owner has to know of channels and chats before it begins anything there. Calls that ended before `since`
    /// are in no window any more.
    async fn inherited(&self, lane_no: i64, since: Time) -> Result<Inherited, StoreError>;
    /// Makes deliveries due that waited for recipients who have become reachable since. How many.
    async fn reached(&self, lane_no: i64, now: Time) -> Result<i64, StoreError>;
    async fn commit(&self, batch: Arc<Batch>) -> Result<Committed, StoreError>;
    /// What calls came to whose owner was taken over meanwhile: those that were accepted settle their delivery, if the
    /// takeover made it ambiguous. How many. Only where a takeover is possible is there anything to it.
    async fn testify(&self, _accepted: Vec<Late>, _now: Time) -> Result<i64, StoreError> {
        Ok(0)
    }
    /// Holds on to what this process owns. For how long it does, counted from before the call; a store that only this
    /// process can have open has no end to it.
    async fn renew(&self) -> Result<Duration, StoreError> {
        Ok(Duration::MAX)
    }
}

/// What is known of lanes, people, channels and callers.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    async fn lanes(&self) -> Result<Vec<Lane>, StoreError>;
    /// The lane of an app in a tenant, made if it is new.
    async fn lane(&self, app: &str, tenant: &str) -> Result<Lane, StoreError>;
    /// Stores what an activity told us, or says that it was known.
    async fn learn(&self, learned: Learned) -> Result<LearnedDone, StoreError>;
    /// References of a recipient, best first.
    async fn references(&self, recipient_no: i64) -> Result<Vec<Reference>, StoreError>;
    /// Oldest known first; `after` is the last `recipient_no` of the page before. No more than 5,000 rows are looked at,
    /// so that a page may have fewer than `limit` and yet a next one.
    async fn people(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<Person>, StoreError>;
    /// The same of those whose numbers are above the first and up to the second, 5,000 numbers at most: whoever reads
    /// everybody knows the ranges before and reads several at a time.
    async fn people_between(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        numbers: (i64, i64),
    ) -> Result<Vec<Person>, StoreError>;
    /// The highest number that a recipient has, 0 where there are none.
    async fn last_recipient(&self) -> Result<i64, StoreError>;
    /// The recipient of this object id, or of this id of a channel or chat, once for each app and tenant that knows it.
    /// Of the filter, app and tenant count.
    async fn person(
        &self,
        scope: &Scope,
        key: &str,
        filter: &PeopleFilter,
    ) -> Result<Vec<Person>, StoreError>;
    /// How many are in each state and how that is known; people unless another kind or a message is asked for.
    async fn reachability(&self, scope: &Scope, filter: &PeopleFilter) -> Result<Vec<Share>, StoreError>;
    /// What was known of a recipient, newest first, a thousand entries at most.
    async fn reach_history(&self, scope: &Scope, recipient_no: i64) -> Result<Vec<Past>, StoreError>;
    /// Changes behind a position, in the order in which they were committed. As with people, no more than 5,000 are looked
    /// at. None is left out that is committed later.
    async fn reach_changes(
        &self,
        scope: &Scope,
        filter: &ChangeFilter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<StateChanges, StoreError>;
    /// Oldest known first; `after` is the last `reference_no` of the page before.
    async fn conversations(
        &self,
        scope: &Scope,
        filter: &ConversationFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<Conversation>, StoreError>;
    /// The conversation of this id, once for each app and tenant that knows it.
    async fn conversation(
        &self,
        scope: &Scope,
        conversation_id: &str,
        filter: &ConversationFilter,
    ) -> Result<Vec<Conversation>, StoreError>;
    /// Oldest known first; `after` is the last `team_no` of the page before.
    async fn teams(
        &self,
        scope: &Scope,
        filter: &TeamFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<Team>, StoreError>;
    /// The team of this id, or of this group in Entra, once for each app and tenant that knows it.
    async fn team(&self, scope: &Scope, id: &str, filter: &TeamFilter) -> Result<Vec<Team>, StoreError>;

    /// Stores a key by the blake3 hash of its secret.
    async fn add_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<(), StoreError>;
    /// Keys that the caller may see, newest first.
    async fn keys(&self, scope: &Scope) -> Result<Vec<ApiKey>, StoreError>;
    /// Whether there was such a key, not yet revoked.
    async fn revoke_key(&self, scope: &Scope, id: KeyId, now: Time) -> Result<bool, StoreError>;
    /// The caller that a secret's hash belongs to; revoked keys are nobody.
    async fn caller(&self, hash: [u8; 32]) -> Result<Option<Scope>, StoreError>;
    /// Whether any key was ever made.
    async fn has_keys(&self) -> Result<bool, StoreError>;
    /// Lanes that the caller may see, by number, with their owner's status.
    async fn lane_views(&self, scope: &Scope) -> Result<Vec<LaneView>, StoreError>;
    /// Who wants no messages, oldest known first; `after` is the last `recipient_no` of the page before.
    async fn opt_outs(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<OptOut>, StoreError>;
    /// Notes that a person of this lane (Entra object id) wants messages, or none; whether that is new.
    async fn set_opt_out(
        &self,
        scope: &Scope,
        lane_no: i64,
        person: &str,
        out: bool,
        now: Time,
    ) -> Result<bool, StoreError>;

    /// Stores an uploaded list. In several transactions, for a list may have a million lines and others write meanwhile;
    /// nobody sees it before the last of them.
    async fn add_list(&self, scope: &Scope, list: NewList) -> Result<Added, StoreError>;
    /// What an idempotency key of this caller was used for when a list was uploaded, within the last 24 hours, if that list
    /// was not deleted.
    async fn list_repeated(
        &self,
        scope: &Scope,
        idempotency: &Idempotency,
        now: Time,
    ) -> Result<Option<Added>, StoreError>;
    /// Takes away what is left of lists that were begun before this moment and not stored, or deleted, whose process ended
    /// before it was done; how many there were. In several transactions.
    async fn wipe_lists(&self, begun_before: Time, now: Time) -> Result<usize, StoreError>;
    /// Uploaded lists, oldest first; `after` is the last `list_no` of the page before. Of the filter, app and tenant count.
    async fn lists(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<UploadedList>, StoreError>;
    async fn list(&self, scope: &Scope, id: AudienceId) -> Result<Option<UploadedList>, StoreError>;
    /// Names of a list that are not exactly one person's, by line.
    async fn unresolved(&self, list_no: i64, limit: i64) -> Result<Vec<Unresolved>, StoreError>;
    /// Deletes a list with all who are in it. In several transactions; from the first on nobody sees it.
    async fn delete_list(&self, scope: &Scope, id: AudienceId, now: Time) -> Result<Deleted, StoreError>;

    /// Reads and writes something trivial, for `/readyz`.
    async fn ready(&self) -> Result<(), StoreError>;
}

pub use crate::directory::Directory;
pub use crate::install::Installer;
pub use crate::preview::Preview;

/// The synchronised copies of directories (`docs/adr/0025`). One task for each lane writes them; operators leave word.
#[async_trait]
pub trait DirectoryCopies: Send + Sync + 'static {
    /// The copy of a lane; one that was never begun if there is none.
    async fn copy(&self, lane_no: i64) -> Result<DirectoryCopy, StoreError>;
    /// Those of the lanes that the caller sees, by their number.
    async fn copies(&self, scope: &Scope) -> Result<Vec<(Lane, DirectoryCopy)>, StoreError>;
    /// Lanes whose copy is used as long as it is fresh, with their app.
    async fn used_copies(&self) -> Result<Vec<(i64, String)>, StoreError>;
    /// Leaves word for the task; whether the caller has such a lane.
    async fn tell_copy(&self, scope: &Scope, lane_no: i64, word: CopyWord) -> Result<bool, StoreError>;
    /// Keeps what it has become since it was read; `false` if it was written meanwhile, and nothing is kept.
    async fn keep_copy(&self, copy: &DirectoryCopy) -> Result<bool, StoreError>;
    /// The same together with a page of the round of that number. What the page says is gone is marked.
    async fn keep_page(
        &self,
        copy: &DirectoryCopy,
        round: i64,
        page: &CopyPage,
        now: Time,
    ) -> Result<bool, StoreError>;
    /// Marks some of what the round under way has not named, which told everything; where to go on, `None` at the end.
    /// Marks nothing if the copy was written since it was read.
    async fn compare(&self, copy: &DirectoryCopy, from: Compared) -> Result<Option<Compared>, StoreError>;
    /// How many are there, and how many of them are marked as gone.
    async fn count_copy(&self, lane_no: i64) -> Result<(CopyCounts, CopyCounts), StoreError>;
    /// Takes away some of what is marked; whether there may be more. Nothing if the copy was written since it was read.
    async fn take_away(&self, copy: &DirectoryCopy, now: Time) -> Result<bool, StoreError>;
    /// Whom names stand for, sign-in names before mail addresses; `None` where that is not exactly one person, and
    /// where the copy is too old.
    async fn find_people(
        &self,
        asker: Asker<'_>,
        names: &[String],
        now: Time,
    ) -> Result<Vec<Option<DirectoryPerson>>, StoreError>;
    /// The people of a part of the directory after a number, as an expansion takes them; `None` where the copy does not
    /// have it, or is too old.
    async fn copied_people(
        &self,
        lane_no: i64,
        from: &DirectorySource,
        after: i64,
        limit: i64,
        now: Time,
    ) -> Result<Option<CopiedPeople>, StoreError>;
}

/// One call to be made for a delivery.
#[derive(Debug, Clone)]
pub struct Call {
    pub lane: Arc<Lane>,
    pub operation: Operation,
    /// The delivery that it is made for.
    pub row: Arc<Row>,
    pub content: Arc<Spoken>,
}

/// Makes calls. One call is one attempt: nothing in here repeats a post by itself.
#[async_trait]
pub trait Sender: Send + Sync + 'static {
    async fn call(&self, call: Call) -> Answer;
}

/// How the API tells the owner of a lane that there is something to look at.
pub trait Wake: Send + Sync + 'static {
    fn wake(&self, lane_no: i64);
}
