//! Graph's limits (protocol section 7.2), counted here on their own: requests in a second for the services of Teams,
//! resource units in ten seconds for the directory.
//!
//! What is refused counts too, as Microsoft's page on throttling says ("all requests accrue against your usage limits"),
//! unless `graph_refused_count` is false.

use std::collections::{HashMap, VecDeque};

use super::target::{Scope, Target};
use crate::{clock::Micros, settings::Settings};

const SECOND: Micros = 1_000_000;

/// Rows of the table: what is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Row {
    ReadApps,
    ReadChatApps,
    Install,
    Uninstall,
    Catalog,
    Rosters,
    Place,
    OtherRead,
    OtherWrite,
}

impl Row {
    /// In a second: of an app in a tenant, of an app in all tenants, and on one resource.
    fn limits(self) -> (f64, f64, Option<f64>) {
        match self {
            Self::ReadApps | Self::Catalog | Self::Place => (30.0, 600.0, None),
            Self::ReadChatApps => (30.0, 600.0, Some(1.0)),
            Self::Install => (30.0, 300.0, None),
            Self::Uninstall => (15.0, 150.0, None),
            Self::Rosters => (60.0, 1200.0, None),
            Self::OtherRead => (30.0, 1500.0, Some(1.0)),
            Self::OtherWrite => (30.0, 300.0, Some(1.0)),
        }
    }

    fn of(target: &Target) -> Option<Self> {
        Some(match target {
            Target::InstalledApps { scope: Scope::Chat, .. }
            | Target::InstalledApp { scope: Scope::Chat, .. } => Self::ReadChatApps,
            Target::InstalledApps { .. } | Target::InstalledApp { .. } => Self::ReadApps,
            Target::Install { .. } => Self::Install,
            Target::Uninstall { .. } => Self::Uninstall,
            Target::Catalog => Self::Catalog,
            Target::TeamMembers { .. } | Target::Channels { .. } | Target::ChannelMembers { .. } => {
                Self::Rosters
            }
            Target::Team { .. } => Self::Place,
            Target::Chat { .. } => Self::OtherRead,
            Target::Upgrade { .. } => Self::OtherWrite,
            _ => return None,
        })
    }
}

/// What one app may do on one team, and on one chat or channel, whatever it does there: 4 and 1 in a second.
fn on_place(target: &Target) -> Option<(String, f64)> {
    let team = |id: &str| Some((format!("team {}", id.to_lowercase()), 4.0));
    let alone = |id: &str| Some((format!("place {id}"), 1.0));
    match target {
        Target::Team { id } => team(id),
        Target::TeamMembers { team: id } | Target::Channels { team: id } => team(id),
        Target::ChannelMembers { channel, .. } => alone(channel),
        Target::InstalledApps { scope, place }
        | Target::InstalledApp { scope, place, .. }
        | Target::Install { scope, place }
        | Target::Upgrade { scope, place, .. }
        | Target::Uninstall { scope, place, .. } => match scope {
            Scope::User => None,
            Scope::Team => team(place),
            Scope::Chat => alone(place),
        },
        _ => None,
    }
}

/// The base cost of a request to the directory, and what options add or take away; never below 1.
fn units(target: &Target, query: &str) -> Option<f64> {
    let base = match target {
        Target::Users => 2.0,
        Target::Members { .. } => 3.0,
        Target::TransitiveMembers { .. } => 5.0,
        Target::User { .. }
        | Target::UsersDelta
        | Target::Groups
        | Target::Group { .. }
        | Target::GroupsDelta => 1.0,
        _ => return None,
    };
    let parameter = |name| crate::connector::path::parameter(query, name);
    let mut cost: f64 = base;
    if parameter("$select").is_some() {
        cost -= 1.0;
    }
    if parameter("$expand").is_some() {
        cost += 1.0;
    }
    if parameter("$top").and_then(|top| top.parse::<u32>().ok()).is_some_and(|top| top < 20) {
        cost -= 1.0;
    }
    Some(cost.max(1.0))
}

/// Who asks, and how the limits are set.
pub(super) struct Rules<'a> {
    pub(super) settings: &'a Settings,
    pub(super) people: u32,
    pub(super) app: u16,
    /// Of the token.
    pub(super) tenant: &'a str,
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    AppTenant,
    App,
    Resource,
    ResourceUnits,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) met: Option<Met>,
    /// How long until it is worth asking again.
    pub(super) wait: Micros,
    /// Of the directory: what the request cost, and the share of the limit that is used.
    pub(super) units: Option<(f64, f64)>,
}

#[derive(Default)]
pub(crate) struct GraphLimits {
    windows: HashMap<(u16, String), VecDeque<Micros>>,
    buckets: HashMap<(u16, String), Bucket>,
    forget_at: usize,
}

/// Below this, looking for idle windows is not worth it.
const FEW: usize = 4096;
/// Resource units in the measure of a bucket: how long it takes to run dry.
const BUCKET_SECONDS: f64 = 10.0;
/// More than this share of the limit is never told (`x-ms-throttle-limit-percentage`).
const FULLEST: f64 = 1.8;

#[derive(Clone, Copy, Default)]
struct Bucket {
    used: f64,
    at: Micros,
}

impl GraphLimits {
    /// Counts the request and says whether it is let through.
    pub(super) fn admit(&mut self, now: Micros, target: &Target, query: &str, rules: &Rules<'_>) -> Verdict {
        if let Some(cost) = units(target, query) {
            return self.spend(now, cost, rules);
        }
        let free = Verdict { met: None, wait: 0, units: None };
        let Some(row) = Row::of(target) else { return free };
        let (app_tenant, app, resource) = row.limits();
        let mut all = vec![
            (format!("{row:?} in {}", rules.tenant), app_tenant, Met::AppTenant),
            (format!("{row:?}"), app, Met::App),
        ];
        if let Some(limit) = resource {
            let place = target.place().or(target.person()).unwrap_or_default();
            all.push((format!("{row:?} on {place}"), limit, Met::Resource));
        }
        if let Some((place, limit)) = on_place(target) {
            all.push((format!("any on {place} in {}", rules.tenant), limit, Met::Resource));
        }
        if self.windows.len() >= self.forget_at.max(FEW) {
            let before = now - length(rules.settings);
            self.windows.retain(|_, admitted| admitted.back().is_some_and(|at| *at > before));
            self.forget_at = self.windows.len() * 2;
        }
        let met = all.iter().find_map(|(window, limit, met)| {
            let key = (rules.app, window.clone());
            let full = self.full(now, key, *limit, rules.settings)?;
            Some((*met, full))
        });
        if met.is_none() || rules.settings.graph_refused_count {
            for (window, ..) in all {
                self.windows.entry((rules.app, window)).or_default().push_back(now);
            }
        }
        match met {
            None => free,
            Some((met, wait)) => Verdict { met: Some(met), wait, units: None },
        }
    }

    /// How long a full window stays full; `None` when there is room.
    fn full(&mut self, now: Micros, key: (u16, String), limit: f64, settings: &Settings) -> Option<Micros> {
        let length = length(settings);
        let limit = ((limit * settings.graph_limits_share) as usize).max(1);
        let admitted = self.windows.entry(key).or_default();
        while admitted.front().is_some_and(|at| *at <= now - length) {
            admitted.pop_front();
        }
        // When the one leaves with which there is room again.
        let blocking = admitted.len().checked_sub(limit)?;
        admitted.get(blocking).map(|at| at + length - now)
    }

    fn spend(&mut self, now: Micros, cost: f64, rules: &Rules<'_>) -> Verdict {
        let settings = rules.settings;
        // S, M and L of Microsoft's table.
        let limit = match rules.people {
            0..50 => 3500.0,
            50..=500 => 5000.0,
            _ => 8000.0,
        } * settings.graph_limits_share;
        let bucket = self.buckets.entry((rules.app, rules.tenant.to_owned())).or_default();
        let drained = (now - bucket.at).max(0) as f64 / (BUCKET_SECONDS * 1e6 * settings.scale) * limit;
        bucket.used = (bucket.used - drained).max(0.0);
        bucket.at = now;
        let over = bucket.used + cost > limit;
        if !over || settings.graph_refused_count {
            bucket.used = (bucket.used + cost).min(limit * FULLEST);
        }
        let share = (bucket.used / limit).max(if over { 1.0 } else { 0.0 });
        let wait = (bucket.used + cost - limit) / limit * BUCKET_SECONDS * 1e6 * settings.scale;
        Verdict {
            met: over.then_some(Met::ResourceUnits),
            wait: wait.max(0.0) as Micros,
            units: Some((cost, share)),
        }
    }
}

fn length(settings: &Settings) -> Micros {
    ((SECOND as f64 * settings.scale) as Micros).max(1)
}

/// At least one.
pub(super) fn whole_seconds(wait: Micros) -> i64 {
    ((wait + SECOND - 1) / SECOND).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Latency;

    fn settings() -> Settings {
        Settings::new(true, Latency::default())
    }

    fn rules(settings: &Settings) -> Rules<'_> {
        Rules { settings, people: 1000, app: 0, tenant: "t" }
    }

    fn install(person: u32) -> Target {
        Target::Install { scope: Scope::User, place: person.to_string() }
    }

    /// How many of one request per millisecond get in.
    fn admitted(limits: &mut GraphLimits, settings: &Settings, from_ms: i64, to_ms: i64) -> usize {
        let mut admit = |ms: i64| limits.admit(ms * 1000, &install(ms as u32), "", &rules(settings));
        (from_ms..to_ms).filter(|ms| admit(*ms).met.is_none()).count()
    }

    #[test]
    fn thirty_installs_a_second() {
        let mut settings = settings();
        settings.graph_refused_count = false;
        let mut limits = GraphLimits::default();
        assert_eq!(admitted(&mut limits, &settings, 0, 1000), 30);
        assert_eq!(admitted(&mut limits, &settings, 1000, 2000), 30);
        // Another app has its own.
        let other = Rules { app: 1, ..rules(&settings) };
        assert_eq!(limits.admit(2_000_000, &install(1), "", &other).met, None);
    }

    #[test]
    fn whoever_goes_on_asking_stays_out() {
        let settings = settings();
        let mut limits = GraphLimits::default();
        assert_eq!(admitted(&mut limits, &settings, 0, 3000), 30);
        let verdict = limits.admit(3_000_000, &install(1), "", &rules(&settings));
        assert_eq!((verdict.met, whole_seconds(verdict.wait)), (Some(Met::AppTenant), 1));
        assert_eq!(admitted(&mut limits, &settings, 4001, 4002), 1, "after a second of silence");
    }

    #[test]
    fn a_team_takes_four_and_a_chat_one() {
        let settings = settings();
        let mut limits = GraphLimits::default();
        let mut met = |target: &Target| limits.admit(0, target, "", &rules(&settings)).met;
        for _ in 0..4 {
            assert_eq!(met(&Target::Channels { team: "A".into() }), None);
        }
        assert_eq!(met(&Target::Team { id: "a".into() }), Some(Met::Resource));
        assert_eq!(met(&Target::Team { id: "b".into() }), None);
        let chat = Target::InstalledApps { scope: Scope::Chat, place: "19:x".into() };
        assert_eq!(met(&chat), None);
        assert_eq!(met(&Target::Install { scope: Scope::Chat, place: "19:x".into() }), Some(Met::Resource));
    }

    #[test]
    fn what_a_request_to_the_directory_costs() {
        let cost = |target: &Target, query: &str| units(target, query);
        assert_eq!(cost(&Target::Users, ""), Some(2.0));
        assert_eq!(cost(&Target::Users, "$select=id"), Some(1.0));
        assert_eq!(cost(&Target::Users, "$select=id&$top=10"), Some(1.0));
        assert_eq!(cost(&Target::Members { group: String::new() }, "$top=19"), Some(2.0));
        let all = Target::TransitiveMembers { group: String::new(), users: true };
        assert_eq!(cost(&all, "$expand=x"), Some(6.0));
        assert_eq!(cost(&Target::Catalog, ""), None);
    }

    #[test]
    fn the_units_of_ten_seconds() {
        let mut settings = settings();
        settings.graph_limits_share = 0.01;
        let mut limits = GraphLimits::default();
        let mut ask = |ms: i64| limits.admit(ms * 1000, &Target::Users, "", &rules(&settings));
        // 80 units in ten seconds, 2 for each request.
        for at in 1..=40 {
            let verdict = ask(0);
            assert_eq!(verdict.met, None);
            assert_eq!(verdict.units, Some((2.0, f64::from(at) / 40.0)));
        }
        let refused = ask(0);
        assert_eq!((refused.met, refused.wait), (Some(Met::ResourceUnits), SECOND / 2));
        assert!(refused.units.is_some_and(|(_, share)| share > 1.0));
        assert_eq!(ask(20_000).met, None);
    }

    proptest::proptest! {
        /// In no second more than thirty get in, and nobody is refused while there is room.
        #[test]
        fn a_second_holds_thirty(gaps in proptest::collection::vec(0_i64..120, 1..200)) {
            let mut settings = settings();
            settings.graph_refused_count = false;
            let mut limits = GraphLimits::default();
            let (mut now, mut admitted) = (0_i64, Vec::new());
            for gap in gaps {
                now += gap * 1000;
                let in_window = admitted.iter().filter(|at| **at > now - SECOND).count();
                let verdict = limits.admit(now, &install(1), "", &rules(&settings));
                proptest::prop_assert_eq!(verdict.met.is_none(), in_window < 30);
                if verdict.met.is_none() {
                    admitted.push(now);
                }
            }
        }
    }
}
