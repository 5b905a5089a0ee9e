use super::*;

fn made(plan: &Plan) -> Org {
    let mut description = Description::made_up(plan.seed, plan.people, plan.teams);
    description.teams_per_person = Some(plan.teams_per_person);
    description.chats = plan.chats;
    Org::described(&description, &|_| None).unwrap()
}

#[test]
fn the_same_seed_makes_the_same_people() {
    let one = made(&Plan::new(7, 200, 3));
    let two = made(&Plan::new(7, 200, 3));
    let other = made(&Plan::new(8, 200, 3));
    assert_eq!(one.person(42).unwrap().object_id, two.person(42).unwrap().object_id);
    assert_ne!(one.person(42).unwrap().object_id, other.person(42).unwrap().object_id);
    assert_eq!(one.teams[1].id(), two.teams[1].id());
}

#[test]
fn states_are_exact() {
    let counts = |people| {
        let org = made(&Plan::new(1, people, 1));
        PersonState::ALL.map(|state| org.by_state()[&state])
    };
    assert_eq!(counts(1000), [930, 20, 20, 20, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(counts(50), [46, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(counts(0), [0; 14]);
}

#[test]
fn people_are_found_by_what_they_are_called() {
    let org = made(&Plan::new(1, 100, 2));
    let person = org.person(31).unwrap();
    assert_eq!(org.by_upn(&person.upn(31)), Some(31));
    assert_eq!(org.by_upn(&person.upn(30)), None);
    assert_eq!(org.by_upn("nobody"), None);
    assert_eq!(org.by_object_id(&person.object_id), Some(31));
    assert_eq!(org.members(1).count(), 50);
    assert!(org.is_member(1, 31) && !org.is_member(0, 31));
}

#[test]
fn people_come_from_several_countries() {
    let org = made(&Plan::new(1, 300, 1));
    let mut languages: Vec<&str> = (0..300).map(|i| org.person(i).unwrap().language()).collect();
    languages.sort_unstable();
    languages.dedup();
    assert!(languages.len() >= 10, "{languages:?}");
    for i in 0..300 {
        let person = org.person(i).unwrap();
        assert!(person.upn(i).is_ascii() && person.time_zone().contains('/') && person.country().len() == 2);
    }
}

#[test]
fn members_and_membership_say_the_same() {
    for per_person in 1..=4 {
        let mut plan = Plan::new(1, 103, 7);
        plan.teams_per_person = per_person;
        let mut org = made(&plan);
        org.set_member(3, 5, true);
        org.set_member(3, 10, false);
        for team in 0..7 {
            let mut members: Vec<u32> = org.members(team).collect();
            members.sort_unstable();
            let counted = members.len();
            members.dedup();
            assert_eq!(members.len(), counted, "nobody twice");
            let asked: Vec<u32> = (0..103).filter(|person| org.is_member(team, *person)).collect();
            assert_eq!(members, asked);
        }
        let teams_of_42 = (0..7).filter(|team| org.is_member(*team, 42)).count();
        assert_eq!(teams_of_42, per_person as usize);
        assert!(org.is_member(3, 5) && !org.is_member(3, 10));
    }
}

#[test]
fn channels_have_the_people_of_their_kind() {
    let mut org = made(&Plan::new(1, 100, 4));
    let private = org.add_channel(0, "Salaries", ChannelKind::Private, vec![4, 0, 4]).unwrap();
    let shared = org.add_channel(0, "Partners", ChannelKind::Shared, vec![8]).unwrap();
    org.teams[0].channels[shared as usize].shared_with = vec![1];
    let thread = |channel| Thread::Channel { team: 0, channel };
    assert_eq!(org.roster(thread(0)).len(), 25);
    assert_eq!(org.roster(thread(private)), [0, 4]);
    assert!(org.is_in(thread(private), 4) && !org.is_in(thread(private), 8));
    assert_eq!(org.roster(thread(shared)).len(), 26);
    assert!(org.is_in(thread(shared), 1) && org.is_in(thread(shared), 8) && !org.is_in(thread(shared), 2));
    let id = org.channel_at(0, private).unwrap().id.clone();
    assert_eq!(org.channel(&id), Some((0, private)));
    assert_eq!(org.team(&id), None, "a channel is no team");

    org.teams[0].apps.add(0);
    assert!(org.is_installed(0, thread(0)) && !org.is_installed(1, thread(0)));
    assert!(!org.is_installed(0, thread(private)), "not added to the channel");
    org.teams[0].channels[private as usize].apps.add(0);
    assert!(org.is_installed(0, thread(private)));

    assert_eq!(org.place(thread(private)), Place::Open);
    org.teams[0].state = TeamState::Archived;
    assert_eq!(org.place(thread(private)), Place::ReadOnly);
    org.teams[0].channels[private as usize].deleted = true;
    assert_eq!(org.place(thread(private)), Place::Gone);
}

#[test]
fn group_chats_only_when_asked_for() {
    assert!(made(&Plan::new(1, 100, 4)).chats.is_empty());
    let mut plan = Plan::new(1, 2, 1);
    plan.chats = 200;
    let mut org = made(&plan);
    assert!(org.chats.iter().all(|chat| chat.members == [0, 1]));
    assert_eq!(org.chats.iter().filter(|chat| chat.kind == ChatKind::Meeting).count(), 40);
    let made = org.add_chat(None, ChatKind::Meeting, vec![1]);
    let id = org.chats[made as usize].id.clone();
    assert!(id.starts_with("19:meeting_") && id.ends_with("@thread.v2"), "{id}");
    assert_eq!(org.chat(&id), Some(made));
    assert_eq!(org.roster(Thread::Chat(made)), [1]);
    assert!(org.is_in(Thread::Chat(made), 1) && !org.is_in(Thread::Chat(made), 0));
    assert!(!org.is_installed(0, Thread::Chat(made)));
}
