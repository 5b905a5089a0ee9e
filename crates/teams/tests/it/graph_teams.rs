//! Teams, channels and their members.

use crate::graph_world::{GraphWorld, INES, OMAR, TEAM};

#[tokio::test]
async fn teams_channels_and_members() {
    let world = GraphWorld::new().await;
    let graph = &world.graph;
    world.answers(&["team"]);
    let team = graph.team(TEAM).await.unwrap();
    assert_eq!(team.internal_id.as_deref(), Some("19:qT7wZc2General@thread.tacv2"));
    assert_eq!((team.display_name.as_deref(), team.is_archived), (Some("Network Operations"), Some(false)));
    assert_eq!(world.asked(), format!("GET /teams/{TEAM}"));

    world.answers(&["team_members"]);
    let members = graph.team_members(TEAM).all().await.unwrap();
    let people: Vec<_> =
        members.iter().map(|member| (member.user_id.as_deref().unwrap(), member.roles.join(" "))).collect();
    assert_eq!(people, [(INES, "owner".to_owned()), (OMAR, "guest".to_owned())]);
    assert_eq!(world.asked(), format!("GET /teams/{TEAM}/members"));

    world.answers(&["channels"]);
    let channels = graph.channels(TEAM).all().await.unwrap();
    let kinds: Vec<_> = channels.iter().map(|channel| channel.membership_type.as_deref().unwrap()).collect();
    assert_eq!(kinds, ["standard", "shared"]);

    let channel = channels[1].id.as_deref().unwrap();
    let path = format!("GET /teams/{TEAM}/channels/19%3A5be1c0f2a8d94e7f%40thread.tacv2");
    world.answers(&["channel_members"]);
    let members = graph.channel_members(TEAM, channel).all().await.unwrap();
    assert_eq!(members[0].display_name.as_deref(), Some("Ines Moreau"));
    assert_eq!(world.asked(), format!("{path}/members"));
    assert_eq!(graph.all_channel_members(TEAM, channel).all().await.unwrap(), members);
    assert_eq!(world.asked(), format!("{path}/allMembers"));
}
