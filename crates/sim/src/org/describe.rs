//! From a description to an organisation: names become places, duplicates and names of nobody are refused.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::{
    Account, Apps, Channel, ChannelKind, Chat, ChatKind, Group, Member, Org, Person, Rule, Team,
    description::{ChannelPart, ChatPart, Description, GroupPart, PersonPart, Problem, TeamPart, UserType},
    person::Own,
    team,
};
use crate::{people::PersonState, random::Rng};

/// Finds the place of a bot by its app id.
pub(crate) type FindBot<'a> = &'a dyn Fn(&str) -> Option<u16>;

impl Org {
    /// Described people, teams and chats come first, in their order; then what is made up.
    pub(crate) fn described(description: &Description, bot: FindBot<'_>) -> Result<Self, Problem> {
        let plan = description.plan()?;
        let mut org = Self::empty(plan.seed);
        org.tenant_name.clone_from(&description.tenant.name);
        org.by_state = PersonState::ALL.into_iter().map(|state| (state, 0)).collect::<BTreeMap<_, _>>();
        for (at, part) in description.person.iter().enumerate() {
            let path = format!("person[{at}]");
            let person = person(&path, part, &mut org.rng)?;
            org.add_person(person, &path)?;
        }
        org.make_people(&plan);
        org.check_made_up_names(description)?;
        // Backwards, so that of two with one name the second is told.
        let numbered = description.team.iter().enumerate().rev();
        let names: HashMap<&str, u32> = numbered.map(|(at, part)| (part.name.as_str(), at as u32)).collect();
        for (at, part) in description.team.iter().enumerate() {
            org.add_team(&format!("team[{at}]"), at as u32, part, &names, bot)?;
        }
        org.make_teams(
            &plan,
            Rule {
                first_team: description.team.len() as u32,
                teams: plan.teams,
                first_person: description.person.len() as u32,
                per_person: plan.teams_per_person.min(plan.teams),
            },
        );
        for (at, part) in description.chat.iter().enumerate() {
            org.add_described_chat(&format!("chat[{at}]"), part, bot)?;
        }
        org.make_chats(&plan);
        org.add_described_groups(&description.group)?;
        org.make_groups(description.groups, description.person.len() as u32);
        Ok(org)
    }

    fn add_person(&mut self, person: Person, path: &str) -> Result<(), Problem> {
        let at = self.people.len() as u32;
        if let Some(other) = self.by_object_id.insert(person.object_id, at) {
            return Err(Problem::new(format!("{path}.id"), format!("person[{other}] has this id too")));
        }
        if let Some(other) = self.by_own_upn.insert(person.upn(at).to_lowercase(), at) {
            return Err(Problem::new(format!("{path}.upn"), format!("person[{other}] has this upn too")));
        }
        if let Some(mail) = person.own_mail()
            && let Some(other) = self.by_own_mail.insert(mail.to_lowercase(), at)
        {
            return Err(Problem::new(
                format!("{path}.mail"),
                format!("person[{other}] has this address too"),
            ));
        }
        *self.by_state.entry(person.state).or_default() += 1;
        self.people.push(person);
        Ok(())
    }

    /// A made-up address is as good as any until somebody else has it.
    fn check_made_up_names(&self, description: &Description) -> Result<(), Problem> {
        for (at, part) in description.person.iter().enumerate() {
            if let Some(other) = self.by_made_up_upn(&part.upn) {
                let text = format!("the made-up person {other} has this upn too");
                return Err(Problem::new(format!("person[{at}].upn"), text));
            }
        }
        Ok(())
    }

    fn add_team(
        &mut self,
        path: &str,
        at: u32,
        part: &TeamPart,
        names: &HashMap<&str, u32>,
        bot: FindBot<'_>,
    ) -> Result<(), Problem> {
        if names.get(part.name.as_str()) != Some(&at) {
            return Err(Problem::new(format!("{path}.name"), "another team has this name too"));
        }
        let group_id = match &part.group_id {
            Some(id) => guid(&format!("{path}.group_id"), id)?,
            None => self.rng.uuid(),
        };
        if self.teams.iter().any(|team| team.group_id == group_id) {
            return Err(Problem::new(format!("{path}.group_id"), "another team has this group too"));
        }
        let general = self.channel_id(&format!("{path}.id"), part.id.as_deref())?;
        let mut channels = vec![Channel::standard(general.clone(), "General")];
        self.channels.insert(general, (at, 0));
        for (c, part) in part.channel.iter().enumerate() {
            let path = format!("{path}.channel[{c}]");
            if channels.iter().any(|other| other.name.eq_ignore_ascii_case(&part.name)) {
                return Err(Problem::new(
                    format!("{path}.name"),
                    "the team has another channel of this name",
                ));
            }
            let channel = self.described_channel(&path, part, names, bot)?;
            self.channels.insert(channel.id.clone(), (at, channels.len() as u32));
            channels.push(channel);
        }
        let members = self.people_of(&format!("{path}.members"), &part.members)?;
        self.teams.push(Team {
            name: part.name.clone(),
            group_id,
            state: part.state,
            channels,
            apps: apps(path, &part.apps, part.installed, bot)?,
            members: Some(members),
        });
        Ok(())
    }

    fn described_channel(
        &mut self,
        path: &str,
        part: &ChannelPart,
        names: &HashMap<&str, u32>,
        bot: FindBot<'_>,
    ) -> Result<Channel, Problem> {
        if part.kind == ChannelKind::Standard && !part.members.is_empty() {
            let text = "a standard channel has the members of its team";
            return Err(Problem::new(format!("{path}.members"), text));
        }
        if part.kind != ChannelKind::Shared && !part.shared_with.is_empty() {
            return Err(Problem::new(format!("{path}.shared_with"), "only a shared channel is shared"));
        }
        let shared_with = part
            .shared_with
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let team = names.get(name.as_str()).copied();
                team.ok_or_else(|| {
                    Problem::new(format!("{path}.shared_with[{i}]"), format!("no team is called {name:?}"))
                })
            })
            .collect::<Result<Vec<u32>, Problem>>()?;
        let id = self.channel_id(&format!("{path}.id"), part.id.as_deref())?;
        Ok(Channel {
            kind: part.kind,
            members: self.people_of(&format!("{path}.members"), &part.members)?,
            shared_with,
            apps: apps(path, &part.apps, part.installed, bot)?,
            ..Channel::standard(id, &part.name)
        })
    }

    fn channel_id(&mut self, path: &str, given: Option<&str>) -> Result<Box<str>, Problem> {
        let Some(id) = given else { return Ok(team::channel_id(&mut self.rng)) };
        let inner = id.strip_prefix("19:").and_then(|rest| {
            rest.strip_suffix("@thread.tacv2").or_else(|| rest.strip_suffix("@thread.skype"))
        });
        if inner.is_none_or(str::is_empty) {
            return Err(Problem::new(path, "the id of a team or channel is 19:…@thread.tacv2"));
        }
        if self.channels.contains_key(id) {
            return Err(Problem::new(path, "another channel has this id too"));
        }
        Ok(id.into())
    }

    fn add_described_chat(&mut self, path: &str, part: &ChatPart, bot: FindBot<'_>) -> Result<(), Problem> {
        if part.members.is_empty() {
            return Err(Problem::new(format!("{path}.members"), "a chat needs members"));
        }
        let members = self.people_of(&format!("{path}.members"), &part.members)?;
        let mut chat = Chat::new(&mut self.rng, part.name.clone(), part.kind, members);
        if let Some(id) = &part.id {
            let inner = id.strip_prefix("19:").and_then(|rest| rest.strip_suffix("@thread.v2"));
            let meeting = inner.is_some_and(|inner| inner.starts_with("meeting_"));
            if inner.is_none_or(str::is_empty) || meeting != (part.kind == ChatKind::Meeting) {
                let text = "the id of a chat is 19:…@thread.v2, of a meeting 19:meeting_…@thread.v2";
                return Err(Problem::new(format!("{path}.id"), text));
            }
            chat.id = id.as_str().into();
        }
        if self.chat(&chat.id).is_some() {
            return Err(Problem::new(format!("{path}.id"), "another chat has this id too"));
        }
        chat.apps = apps(path, &part.apps, part.installed, bot)?;
        self.push_chat(chat);
        Ok(())
    }

    fn add_described_groups(&mut self, parts: &[GroupPart]) -> Result<(), Problem> {
        let named = |name: &str| parts.iter().position(|part| part.name == name);
        for (at, part) in parts.iter().enumerate() {
            let path = format!("group[{at}]");
            if named(&part.name) != Some(at) {
                return Err(Problem::new(format!("{path}.name"), "another group has this name too"));
            }
            let made = self.rng.uuid();
            let id = match &part.id {
                Some(id) => guid(&format!("{path}.id"), id)?,
                None => made,
            };
            if self.group_by_id(&id).is_some() {
                return Err(Problem::new(format!("{path}.id"), "another group has this id too"));
            }
            let people = self.people_of(&format!("{path}.members"), &part.members)?;
            let mut members: Vec<Member> = people.into_iter().map(Member::Person).collect();
            for (i, name) in part.groups.iter().enumerate() {
                let problem =
                    |text: &str| Problem::new(format!("{path}.groups[{i}]"), format!("{text} {name:?}"));
                let inner = named(name).ok_or_else(|| problem("no group is called"))?;
                let inner = Member::Group(inner as u32);
                if members.contains(&inner) {
                    return Err(problem("named twice:"));
                }
                members.push(inner);
            }
            let group = at as u32;
            members.extend((0..part.devices).map(|number| Member::Device { group, number }));
            self.groups.push(Group { id, name: part.name.clone(), members, deleted: false });
        }
        Ok(())
    }

    /// Sorted; each may be named once.
    fn people_of(&self, path: &str, names: &[String]) -> Result<Vec<u32>, Problem> {
        let mut seen = HashSet::new();
        let mut people = Vec::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            let problem = |text: &str| Problem::new(format!("{path}[{i}]"), format!("{text} {name:?}"));
            let by_id = Uuid::parse_str(name).ok().and_then(|id| self.by_object_id(&id));
            let person =
                by_id.or_else(|| self.by_upn(name)).ok_or_else(|| problem("nobody has the upn or id"))?;
            if !seen.insert(person) {
                return Err(problem("named twice:"));
            }
            people.push(person);
        }
        people.sort_unstable();
        Ok(people)
    }
}

fn person(path: &str, part: &PersonPart, rng: &mut Rng) -> Result<Person, Problem> {
    // Drawn even when not needed, so that a given id changes nobody else's.
    let made = rng.uuid();
    let object_id = match &part.id {
        Some(id) => guid(&format!("{path}.id"), id)?,
        None => made,
    };
    let good =
        part.upn.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if !good || part.upn.chars().any(char::is_whitespace) {
        return Err(Problem::new(format!("{path}.upn"), "a upn is name@domain"));
    }
    if part.name.trim().is_empty() {
        return Err(Problem::new(format!("{path}.name"), "must not be empty"));
    }
    let (given, surname) = part.name.split_once(' ').unwrap_or((&part.name, ""));
    let account = Account {
        guest: part.user_type == UserType::Guest,
        disabled: !part.account_enabled,
        unlicensed: !part.licensed,
    };
    let own = Own {
        mail: part.mail.clone(),
        given_name: given.to_owned(),
        surname: surname.to_owned(),
        upn: part.upn.clone(),
        department: part.department.clone(),
        language: part.language.clone(),
        country: part.country.clone(),
        time_zone: part.time_zone.clone(),
    };
    Ok(Person::described(object_id, part.state, account, own))
}

fn apps(path: &str, app_ids: &[String], installed: bool, bot: FindBot<'_>) -> Result<Apps, Problem> {
    if installed {
        return Ok(Apps::all());
    }
    let mut apps = Apps::default();
    for (i, app_id) in app_ids.iter().enumerate() {
        let app = bot(app_id).ok_or_else(|| {
            Problem::new(format!("{path}.apps[{i}]"), format!("no bot has the app id {app_id:?}"))
        })?;
        apps.add(app);
    }
    Ok(apps)
}

fn guid(path: &str, text: &str) -> Result<Uuid, Problem> {
    crate::connector::guid(text).ok_or_else(|| Problem::new(path, "must be a GUID"))
}
