//! People and groups: what is asked, and what is read of the answer.

use nuncio_teams::graph::{CallError, ChangedUser, List, PageSize, TEAMS_SERVICE_PLANS, User};
use serde_json::json;

use crate::graph_world::{GROUP, GraphWorld, INES, OMAR, fixture};

#[tokio::test]
async fn everyone_page_by_page() {
    let world = GraphWorld::new().await;
    world.answers(&["users", "users_last"]);
    let select =
        ["id", "displayName", "userPrincipalName", "mail", "userType", "accountEnabled", "assignedPlans"];
    let mut pages = world.graph.users(&List { select: &select, top: PageSize::new(1) });
    assert_eq!(pages.operation().unwrap().units, 1);
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!(world.asked(), format!("GET /users?$select={}&$top=1", select.join(",")));
    assert_eq!(first.throttle.units, Some(1));
    let ines = &first.items[0];
    assert_eq!((ines.id.as_deref(), ines.mail.as_deref()), (Some(INES), Some("ines.moreau@contoso.com")));
    assert_eq!((ines.user_type.as_deref(), ines.account_enabled), (Some("Member"), Some(true)));
    assert!(ines.has_plan(&TEAMS_SERVICE_PLANS));
    assert!(!ines.has_plan(&TEAMS_SERVICE_PLANS[1..]));

    let last = pages.next().await.unwrap().unwrap();
    assert_eq!(
        world.asked(),
        format!("GET /users?$select={}&$top=1&$skiptoken=RFNwdAIAAQAAAB8", select.join(","))
    );
    assert_eq!(last.items[0].user_type.as_deref(), Some("Guest"));
    assert!(!last.items[0].has_plan(&TEAMS_SERVICE_PLANS));
    assert!(pages.next().await.is_none());
    assert!(pages.next().await.is_none(), "and stays at its end");
    assert_eq!(world.server.seen().len(), 2);
}

#[tokio::test]
async fn a_person_by_id_or_name() {
    let world = GraphWorld::new().await;
    world.answers(&["user"]);
    let user = world.graph.user("ines.moreau@contoso.com", &["id", "displayName"]).await.unwrap();
    assert_eq!(world.asked(), "GET /users/ines.moreau%40contoso.com?$select=id,displayName");
    assert_eq!(user.display_name.as_deref(), Some("Ines Moreau"));
    let context = fixture("user")["body"]["@odata.context"].as_str().map(|context| world.here(context));
    assert_eq!(user.extra["@odata.context"].as_str(), context.as_deref(), "nothing is lost");
    world.graph.user("omar_haddad_fabrikam.com#EXT#@contoso.onmicrosoft.com", &[]).await.unwrap();
    assert_eq!(world.asked(), "GET /users/omar_haddad_fabrikam.com%23EXT%23%40contoso.onmicrosoft.com");

    // A list, or anything without an id, is no person.
    for body in [fixture("users")["body"].clone(), json!({}), json!({"id": ""}), json!([]), json!({"id": 7})]
    {
        world.bodies(std::slice::from_ref(&body));
        let error = world.graph.user("delta", &[]).await.unwrap_err();
        assert!(matches!(error, CallError::Unreadable { status: 200, .. }), "{body}: {error}");
    }
}

#[tokio::test]
async fn several_people_may_have_one_address() {
    let world = GraphWorld::new().await;
    world.answers(&["users_by_mail"]);
    let users = world.graph.users_by_mail("o'neil@contoso.com", &["id", "mail"]).await.unwrap();
    let ids: Vec<_> = users.iter().map(|user| user.id.as_deref().unwrap()).collect();
    assert_eq!(ids, [INES, OMAR]);
    assert_eq!(
        world.asked(),
        "GET /users?$filter=mail%20eq%20%27o%27%27neil%40contoso.com%27&$select=id,mail"
    );
}

#[tokio::test]
async fn a_round_of_changes_and_the_next() {
    let world = GraphWorld::new().await;
    world.answers(&["users_delta", "users_delta_last"]);
    let size = PageSize::new(50).unwrap();
    let mut pages = world.graph.users_delta(&["id", "mail"]).with_max_page_size(size);
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!(world.asked(), "GET /users/delta?$select=id,mail");
    assert_eq!(first.items[0].removed, None);
    assert_eq!(pages.delta_link(), None);
    let last = pages.next().await.unwrap().unwrap();
    assert_eq!(world.asked(), "GET /users/delta?$skiptoken=pqwSUjGYvb3jQpbwVAwEL7yuI3dU1LecfkkfLPtnIjsXoYQp");
    assert_eq!(world.header("prefer").as_deref(), Some("odata.maxpagesize=50"));
    assert_eq!(last.items[0].removed.as_ref().unwrap().reason.as_deref(), Some("changed"));
    assert!(pages.next().await.is_none());
    let link = pages.delta_link().unwrap().to_owned();
    assert_eq!(
        link,
        world.here("https://graph.microsoft.com/v1.0/users/delta?$deltatoken=oEcOySpF_hWYmTIUZBOIfPzcwisr")
    );

    world.answers(&["users_delta_last"]);
    let mut next = world.graph.resume::<ChangedUser>(&link).unwrap();
    next.next().await.unwrap().unwrap();
    assert_eq!(world.asked(), "GET /users/delta?$deltatoken=oEcOySpF_hWYmTIUZBOIfPzcwisr");
    assert_eq!(next.delta_link(), Some(link.as_str()));
}

#[tokio::test]
async fn a_round_that_is_too_old_says_so() {
    let world = GraphWorld::new().await;
    for name in ["delta_gone", "delta_expired"] {
        world.answers(&[name]);
        let link = world.here("https://graph.microsoft.com/v1.0/users/delta?$deltatoken=old");
        let mut pages = world.graph.resume::<ChangedUser>(&link).unwrap();
        let error = pages.next().await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::ResyncNeeded(_)), "{name}: {error}");
        assert_eq!(error.refused().unwrap().refusal.as_str(), "gone");
    }
}

#[tokio::test]
async fn groups_and_their_members() {
    let world = GraphWorld::new().await;
    let graph = &world.graph;
    world.answers(&["groups"]);
    let groups = graph.groups(&List::default()).all().await.unwrap();
    assert_eq!(groups[0].resource_provisioning_options, ["Team"]);
    assert_eq!((groups[1].mail.as_deref(), groups[1].security_enabled), (None, Some(true)));
    world.answers(&["group"]);
    let group = graph.group(GROUP, &[]).await.unwrap();
    assert_eq!(
        (group.display_name.as_deref(), group.group_types),
        (Some("Network Operations"), vec!["Unified".to_owned()])
    );
    assert_eq!(group.extra["mailNickname"], "netops");

    world.answers(&["group_members"]);
    let members = graph.group_members(GROUP, &List::default()).all().await.unwrap();
    let kinds: Vec<_> = members.iter().map(|member| member.kind().unwrap()).collect();
    assert_eq!(kinds, ["user", "group", "device"]);
    assert_eq!(world.asked(), format!("GET /groups/{GROUP}/members"));

    world.answers(&["groups_delta"]);
    let mut changes = graph.groups_delta(&["id", "displayName", "members"]);
    let page = changes.next().await.unwrap().unwrap();
    let members = &page.items[0].members_delta;
    assert_eq!((members[0].id.as_deref(), members[0].removed.is_none()), (Some(INES), true));
    assert_eq!((members[1].id.as_deref(), members[1].removed.is_some()), (Some(OMAR), true));
}

#[tokio::test]
async fn people_of_a_group_and_all_in_it() {
    let world = GraphWorld::new().await;
    world.answers(&["transitive_users", "users_last"]);
    let list = List { select: &["id", "displayName"], top: PageSize::new(1) };
    let mut pages = world.graph.transitive_users(GROUP, &list);
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!((first.items[0].id.as_deref(), first.count), (Some(INES), Some(7)));
    let path = format!("GET /groups/{GROUP}/transitiveMembers/microsoft.graph.user");
    assert_eq!(world.asked(), format!("{path}?$count=true&$select=id,displayName&$top=1"));
    assert_eq!(world.header("consistencylevel").as_deref(), Some("eventual"));
    // A cast needs the header on every page, also when it is gone on with later.
    let link = pages.link().unwrap().to_owned();
    world.graph.resume::<User>(&link).unwrap().next().await.unwrap().unwrap();
    assert!(world.asked().ends_with("$skiptoken=RFNwdAoAAQAAAAA"));
    assert_eq!(world.header("consistencylevel").as_deref(), Some("eventual"));
}
