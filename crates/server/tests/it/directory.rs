//! Audiences that only the directory knows: what is looked up when the message comes, what is stored of it, and what is
//! refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use nuncio_domain::batch::MessageChange;
use nuncio_domain::directory::{
    Asker, Directory, DirectoryError, DirectoryPage, DirectoryPerson, DirectorySource, Include, Resolved,
};
use nuncio_domain::people::Learned;
use nuncio_domain::places::SeenTeam;
use nuncio_domain::ports::{Ledger as _, Registry as _};
use nuncio_domain::{Batch, MessageState, Role, Scope, Time};
use serde_json::{Value, json};

use crate::harness::{BOT, INES, NOON, Server, TENANT, app};

pub(crate) const OMAR: &str = "0c5f7d21-6e48-4b93-a1d0-9f27c38be654";
pub(crate) const GROUP: &str = "4d0ef681-e88f-42a3-a2db-e6bf1e249e10";
const TEAM: &str = "ee0f5ae2-8bc6-4ae5-8466-7daeebbfa062";

/// Names and the object ids that have each; without any it is not configured.
#[derive(Default)]
pub(crate) struct TestDirectory {
    people: BTreeMap<&'static str, Vec<&'static str>>,
    /// What it answers instead.
    fails: Option<DirectoryError>,
}

#[async_trait]
impl Directory for TestDirectory {
    fn ready(&self, asker: Asker<'_>) -> Result<(), DirectoryError> {
        assert_eq!(asker.tenant, TENANT);
        if self.people.is_empty() {
            return Err(DirectoryError::NotConfigured("set app.dispatch.client_secret".to_owned()));
        }
        Ok(())
    }

    async fn resolve(&self, _: Asker<'_>, names: &[String]) -> Result<Vec<Resolved>, DirectoryError> {
        if let Some(error) = &self.fails {
            return Err(error.clone());
        }
        let resolved = names.iter().map(|name| match self.people.get(name.as_str()).map(Vec::as_slice) {
            None | Some([]) => Resolved::None,
            Some([id]) => Resolved::One(Box::new(DirectoryPerson {
                object_id: (*id).to_owned(),
                upn: Some(name.clone()),
                name: Some("From the directory".to_owned()),
                guest: Some(false),
                ..DirectoryPerson::default()
            })),
            Some(_) => Resolved::Several,
        });
        Ok(resolved.collect())
    }

    async fn page(
        &self,
        _: Asker<'_>,
        source: &DirectorySource,
        _: Option<&str>,
    ) -> Result<DirectoryPage, DirectoryError> {
        panic!("no page is read before a message is taken: {source:?}")
    }
}

pub(crate) fn known() -> TestDirectory {
    let people = BTreeMap::from([
        ("ines@contoso.com", vec![INES]),
        ("omar@contoso.com", vec![OMAR]),
        ("desk@contoso.com", vec![INES, OMAR]),
    ]);
    TestDirectory { people, ..TestDirectory::default() }
}

pub(crate) async fn server(directory: TestDirectory) -> Server {
    let directory = Arc::new(directory);
    Server::with(vec![app("dispatch", BOT, &[TENANT])], |state| state.directory = directory).await
}

pub(crate) fn to(audience: &Value) -> Value {
    json!({"audience": audience, "content": {"text": "hello"}})
}

pub(crate) const ALL: Scope = Scope { key_no: 1, role: Role::Admin, app: None, may_install: true };

#[tokio::test]
async fn names_become_people_when_the_message_comes() {
    let server = server(known()).await;
    let audience = json!({"users": ["ines@contoso.com", INES, "omar@contoso.com"],
                          "exclude": {"users": ["omar@contoso.com"]}, "include": ["guests"]});
    let id = server.sent(&to(&audience)).await;
    let message_no = server.store.message(&ALL, id.parse().unwrap()).await.unwrap().unwrap().message_no;
    server.store.expand(message_no, 100, Time(NOON)).await.unwrap();
    let mut rows = server.store.page(message_no, 0, 100).await.unwrap();
    rows.sort_by(|one, other| one.address.cmp(&other.address));
    assert_eq!(rows.iter().map(|row| row.address.as_str()).collect::<Vec<_>>(), [OMAR, INES]);
    assert_eq!(rows.iter().map(|row| row.excluded).collect::<Vec<_>>(), [true, false]);
    assert_eq!((rows[1].standing.guest, rows[1].standing.at), (Some(false), Some(Time(NOON))));
    let message = server.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!(message["duplicates_removed"], 1);
    let deliveries = server.get(&format!("/v1/messages/{id}/deliveries")).await.json();
    assert_eq!(deliveries["items"][0]["name"], "From the directory");
    let open = server.store.open(1, 0).await.unwrap().messages;
    assert_eq!(open[0].include, Include { guests: true, disabled: false });
}

#[tokio::test]
async fn names_that_are_not_one_person_are_all_told_at_once() {
    let server = server(known()).await;
    let users = json!([INES, "gone@contoso.com", "ines@contoso.com", "desk@contoso.com", "Ines Moreau"]);
    let answer = server.post("/v1/messages", &to(&json!({"users": users}))).await;
    answer.refused(422, "recipient_invalid");
    let at = |code: &str, n: usize| (code.to_owned(), format!("/audience/users/{n}"));
    assert_eq!(
        answer.errors(),
        [at("recipient_invalid", 4), at("upn_not_resolvable", 1), at("upn_not_resolvable", 3)]
    );
    let errors = answer.json()["errors"].clone();
    let text = |n: usize| errors[n]["text"].as_str().unwrap().to_owned();
    assert!(text(1).contains("knows nobody") && text(2).contains("knows several"), "{errors}");
    assert!(text(1).contains("neither sign-in names nor mail addresses"));
    assert!(server.get("/v1/messages").await.json()["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn groups_teams_and_everyone_are_taken_and_read_later() {
    let server = server(known()).await;
    let team = |group: Option<&str>, team: &str| Learned {
        app: "dispatch".to_owned(),
        tenant: TENANT.to_owned(),
        at: Time(NOON),
        event: (team.to_owned(), "1".to_owned()),
        team: Some(SeenTeam {
            team_id: team.to_owned(),
            group_id: group.map(str::to_owned),
            ..SeenTeam::default()
        }),
        ..Learned::default()
    };
    server.store.learn(team(Some(TEAM), "19:known@thread.tacv2")).await.unwrap();
    server.store.learn(team(None, "19:half@thread.tacv2")).await.unwrap();
    let audience =
        json!({"everyone": true, "groups": [GROUP, GROUP], "teams": ["19:known@thread.tacv2", TEAM]});
    let id = server.sent(&to(&audience)).await;
    let message_no = server.store.message(&ALL, id.parse().unwrap()).await.unwrap().unwrap().message_no;
    let mut wanted = Vec::new();
    while let Some(wants) = server.store.expand(message_no, 9, Time(NOON)).await.unwrap().wants {
        let fill = nuncio_domain::directory::Fill {
            message_no,
            source_no: wants.source_no,
            cursor: None,
            people: Vec::new(),
            next: nuncio_domain::directory::Next::End,
        };
        assert!(server.store.fill(fill, Time(NOON)).await.unwrap());
        wanted.push(wants.from);
    }
    assert_eq!(
        wanted,
        [
            DirectorySource::Everyone,
            DirectorySource::Group(GROUP.to_owned()),
            DirectorySource::Team(TEAM.to_owned())
        ]
    );
    for (audience, code, pointer) in [
        (json!({"groups": ["Sales"]}), "recipient_invalid", "/audience/groups/0"),
        (json!({"teams": ["Sales"]}), "recipient_invalid", "/audience/teams/0"),
        (json!({"teams": ["19:other@thread.tacv2"]}), "recipient_invalid", "/audience/teams/0"),
        (json!({"teams": ["19:half@thread.tacv2"]}), "recipient_invalid", "/audience/teams/0"),
        (json!({"groups": vec![GROUP; 101]}), "audience_too_long", "/audience/groups"),
        (json!({"everyone": true, "include": ["guest"]}), "invalid_value", "/audience/include/0"),
        (
            json!({"groups": vec![GROUP; 60], "exclude": {"groups": vec![GROUP; 41]}}),
            "audience_too_long",
            "/audience/groups",
        ),
        (
            json!({"users": [INES], "exclude": {"groups": [GROUP, "Sales"]}}),
            "recipient_invalid",
            "/audience/exclude/groups/1",
        ),
    ] {
        server.post("/v1/messages", &to(&audience)).await.refused_at(422, code, pointer);
    }
    let mut urgent = to(&json!({"groups": [GROUP]}));
    urgent["priority"] = "urgent".into();
    server.post("/v1/messages", &urgent).await.refused_at(422, "urgent_audience", "/audience/groups");
}

#[tokio::test]
async fn groups_that_are_left_out_are_read_first() {
    let server = server(known()).await;
    let audience = json!({"users": [INES, OMAR], "groups": [TEAM], "exclude": {"groups": [GROUP, GROUP]}});
    let id = server.sent(&to(&audience)).await;
    let message_no = server.store.message(&ALL, id.parse().unwrap()).await.unwrap().unwrap().message_no;
    let expand = async || server.store.expand(message_no, 9, Time(NOON)).await.unwrap();
    let wants = expand().await.wants.unwrap();
    assert_eq!((wants.source_no, wants.from), (0, DirectorySource::Group(GROUP.to_owned())));
    let fill = |source_no, people: &[&str]| nuncio_domain::directory::Fill {
        message_no,
        source_no,
        cursor: None,
        people: people
            .iter()
            .map(|id| DirectoryPerson { object_id: (*id).to_owned(), ..DirectoryPerson::default() })
            .collect(),
        next: nuncio_domain::directory::Next::End,
    };
    assert!(server.store.fill(fill(0, &[OMAR]), Time(NOON)).await.unwrap());
    assert_eq!(expand().await.wants.unwrap().from, DirectorySource::Group(TEAM.to_owned()));
    assert!(server.store.fill(fill(2, &[]), Time(NOON)).await.unwrap());
    assert!(expand().await.done);
    let rows = server.store.page(message_no, 0, 9).await.unwrap();
    let mut excluded: Vec<_> = rows.iter().map(|row| (row.address.as_str(), row.excluded)).collect();
    excluded.sort_unstable();
    assert_eq!(excluded, [(OMAR, true), (INES, false)]);
    // An app that cannot ask is not told to leave anybody out.
    let missing = self::server(TestDirectory::default()).await;
    let audience = json!({"users": [INES], "exclude": {"groups": [GROUP]}});
    let answer = missing.post("/v1/messages", &to(&audience)).await;
    answer.refused_at(422, "directory_not_configured", "/audience/exclude/groups");
}

#[tokio::test]
async fn a_directory_that_tells_nothing_says_why() {
    let names = to(&json!({"users": ["ines@contoso.com"]}));
    let role = "User.Read.All".to_owned();
    for (error, status, code) in [
        (DirectoryError::NotPermitted { role }, 422, "directory_refused"),
        (DirectoryError::NoToken("consent".to_owned()), 422, "directory_refused"),
        (DirectoryError::Throttled { retry_after: None }, 503, "directory_unavailable"),
        (DirectoryError::Unavailable("down".to_owned()), 503, "directory_unavailable"),
    ] {
        let says = error.to_string();
        let server = server(TestDirectory { fails: Some(error), ..known() }).await;
        let answer = server.post("/v1/messages", &names).await;
        answer.refused(status, code);
        assert!(answer.text.contains(&says), "{}", answer.text);
        if status == 503 {
            assert_eq!(answer.header("retry-after"), "5");
        }
    }
    let missing = server(TestDirectory::default()).await;
    let answer = missing.post("/v1/messages", &names).await;
    answer.refused_at(422, "directory_not_configured", "/audience/users/0");
    assert!(answer.text.contains("app.dispatch.client_secret"));
    // Object ids need no directory.
    missing.sent(&to(&json!({"users": [INES]}))).await;
}

#[tokio::test]
async fn a_message_that_waits_for_the_directory_says_so() {
    let server = server(known()).await;
    let id = server.sent(&to(&json!({"groups": [GROUP]}))).await;
    let message_no = server.store.message(&ALL, id.parse().unwrap()).await.unwrap().unwrap().message_no;
    let cause = DirectoryError::NotFound { id: GROUP.to_owned() }.cause();
    let (state, cause) = (MessageState::Waiting, Some(cause));
    let messages = vec![MessageChange::State { message_no, state, cause }];
    server.store.commit(Batch { at: Time(NOON), messages, ..Batch::default() }.into()).await.unwrap();
    let message = server.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!((&message["state"], &message["cause"]), (&json!("waiting"), &json!("directory")));
    let text = format!("the directory has no such group or team: {GROUP}");
    assert_eq!(message["cause_text"], text);
}
