//! What is asked, word for word, and that no id makes another request of it.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::cloud::{Cloud, Endpoints};
use crate::graph::List;

fn root() -> GraphRoot {
    Endpoints::of(Cloud::Public).graph_root().unwrap()
}

fn url(request: &GraphRequest) -> String {
    request.to(&root()).url
}

#[test]
fn requests_as_the_sheet_has_them() {
    let list = List { select: &["id", "displayName"], top: Some(PageSize::MOST) };
    for (request, expected) in [
        (users(&list), "/users?$select=id,displayName&$top=999"),
        (user("ines@contoso.com", &["id"]), "/users/ines%40contoso.com?$select=id"),
        (
            users_by_mail("o'neil@contoso.com", &["id"]),
            "/users?$filter=mail%20eq%20%27o%27%27neil%40contoso.com%27&$select=id",
        ),
        (users_delta(&["id", "mail"]), "/users/delta?$select=id,mail"),
        (groups_delta(&[]), "/groups/delta"),
        (groups(&List::default()), "/groups"),
        (group("g", &[]), "/groups/g"),
        (group_members("g", &list), "/groups/g/members?$select=id,displayName&$top=999"),
        (
            transitive_users("g", &list),
            "/groups/g/transitiveMembers/microsoft.graph.user?$count=true&$select=id,displayName&$top=999",
        ),
        (team("t"), "/teams/t"),
        (team_members("t"), "/teams/t/members"),
        (channels("t"), "/teams/t/channels"),
        (channel_members("t", "19:5be@thread.tacv2"), "/teams/t/channels/19%3A5be%40thread.tacv2/members"),
        (all_channel_members("t", "c"), "/teams/t/channels/c/allMembers"),
        (
            catalogue(AppIs::ExternalId("f31b1263")),
            "/appCatalogs/teamsApps?$filter=externalId%20eq%20%27f31b1263%27",
        ),
        (
            catalogue(AppIs::CatalogueId("f31b1263")),
            "/appCatalogs/teamsApps?$filter=id%20eq%20%27f31b1263%27",
        ),
        (
            installed_apps(Scope::User("u"), Some(AppIs::CatalogueId("a"))),
            "/users/u/teamwork/installedApps?$expand=teamsApp&$filter=teamsApp%2Fid%20eq%20%27a%27",
        ),
        (
            installed_apps(Scope::Chat("19:c"), Some(AppIs::ExternalId("a"))),
            "/chats/19%3Ac/installedApps?$expand=teamsApp&$filter=teamsApp%2FexternalId%20eq%20%27a%27",
        ),
        (installed_apps(Scope::Team("t"), None), "/teams/t/installedApps?$expand=teamsApp"),
        (installation_chat("u", "aW5z=="), "/users/u/teamwork/installedApps/aW5z%3D%3D/chat"),
    ] {
        assert_eq!(url(&request), format!("https://graph.microsoft.com/v1.0{expected}"));
        assert_eq!(request.method(), Method::GET);
    }
    assert_eq!(transitive_users("g", &list).headers(), [consistency()]);
    let sized = users_delta(&[]).with_max_page_size(PageSize::new(50).unwrap());
    let (name, value) = &sized.headers()[0];
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("prefer", "odata.maxpagesize=50"));
}

#[test]
fn installing() {
    let request = install(&root(), Scope::User("u"), "22f73bbe", &[]);
    assert_eq!((request.method(), request.path()), (&Method::POST, "/users/u/teamwork/installedApps"));
    let bind = "https://graph.microsoft.com/v1.0/appCatalogs/teamsApps/22f73bbe";
    assert_eq!(request.body, Some(json!({ "teamsApp@odata.bind": bind })));

    let consents = [
        ResourcePermission {
            value: "ChatMessageReadReceipt.Read.Chat".into(),
            kind: PermissionType::Application,
        },
        ResourcePermission { value: "ChannelMeeting.Read.Group".into(), kind: PermissionType::Delegated },
    ];
    let set = json!({"resourceSpecificPermissions": [
        {"permissionValue": "ChatMessageReadReceipt.Read.Chat", "permissionType": "Application"},
        {"permissionValue": "ChannelMeeting.Read.Group", "permissionType": "Delegated"},
    ]});
    let request = install(&root(), Scope::Team("t"), "22f73bbe", &consents);
    assert_eq!(request.body, Some(json!({ "teamsApp@odata.bind": bind, "consentedPermissionSet": set })));
    let request = upgrade(Scope::Chat("c"), "i", &consents);
    assert_eq!(request.path(), "/chats/c/installedApps/i/upgrade");
    assert_eq!(request.body, Some(json!({ "consentedPermissionSet": set })));
    assert_eq!(upgrade(Scope::Chat("c"), "i", &[]).body, None);
    let request = remove(Scope::Team("t"), "i");
    assert_eq!((request.method(), request.path()), (&Method::DELETE, "/teams/t/installedApps/i"));
}

#[test]
fn a_batch() {
    let requests = [
        install(&root(), Scope::User("u"), "a", &[]),
        transitive_users("g", &List::default()),
        user("u", &[]),
    ];
    let batch = batch(&requests).unwrap();
    assert_eq!(url(&batch), "https://graph.microsoft.com/v1.0/$batch");
    assert_eq!(
        batch.body,
        Some(json!({"requests": [
            {"id": "1", "method": "POST", "url": "/users/u/teamwork/installedApps",
             "headers": {"Content-Type": "application/json"},
             "body": {"teamsApp@odata.bind": "https://graph.microsoft.com/v1.0/appCatalogs/teamsApps/a"}},
            {"id": "2", "method": "GET", "url": "/groups/g/transitiveMembers/microsoft.graph.user?$count=true",
             "headers": {"ConsistencyLevel": "eventual"}},
            {"id": "3", "method": "GET", "url": "/users/u"},
        ]}))
    );
    assert_eq!(super::batch(&[]).unwrap_err(), BatchError::Empty);
    let many = vec![user("u", &[]); 21];
    assert_eq!(super::batch(&many).unwrap_err(), BatchError::TooMany(21));
    assert!(super::batch(&many[..20]).is_ok());
}

#[test]
fn nobody_is_named_in_debug_output() {
    let shown = format!("{:?}", users_by_mail("ines@contoso.com", &[]));
    assert!(!shown.contains("ines"), "{shown}");
}

proptest! {
    #[test]
    fn no_id_changes_the_path(id in prop_oneof![".{0,30}", "[./%\\\\?#'$]{0,6}"]) {
        let list = List::default();
        for (request, expected) in [
            (user(&id, &[]), "v1.0/users/*"),
            (users_by_mail(&id, &[]), "v1.0/users"),
            (group(&id, &[]), "v1.0/groups/*"),
            (group_members(&id, &list), "v1.0/groups/*/members"),
            (transitive_users(&id, &list), "v1.0/groups/*/transitiveMembers/microsoft.graph.user"),
            (team(&id), "v1.0/teams/*"),
            (channel_members(&id, &id), "v1.0/teams/*/channels/*/members"),
            (catalogue(AppIs::ExternalId(&id)), "v1.0/appCatalogs/teamsApps"),
            (installed_apps(Scope::Chat(&id), Some(AppIs::CatalogueId(&id))), "v1.0/chats/*/installedApps"),
            (install(&root(), Scope::User(&id), &id, &[]), "v1.0/users/*/teamwork/installedApps"),
            (upgrade(Scope::Team(&id), &id, &[]), "v1.0/teams/*/installedApps/*/upgrade"),
            (remove(Scope::Team(&id), &id), "v1.0/teams/*/installedApps/*"),
            (installation_chat(&id, &id), "v1.0/users/*/teamwork/installedApps/*/chat"),
        ] {
            let url = reqwest::Url::parse(&url(&request)).unwrap();
            prop_assert_eq!(url.host_str(), Some("graph.microsoft.com"));
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            let expected: Vec<_> = expected.split('/').collect();
            prop_assert_eq!(segments.len(), expected.len(), "{}", url);
            for (segment, expected) in segments.iter().zip(expected) {
                prop_assert!(expected == "*" || *segment == expected, "{}", url);
            }
            prop_assert_eq!(url.fragment(), None);
            for (name, value) in url.query_pairs() {
                prop_assert!(["$filter", "$expand", "$count"].contains(&&*name), "{}", name);
                prop_assert!(name != "$filter" || value.matches('\'').count() % 2 == 0, "{}", value);
            }
        }
    }
}
