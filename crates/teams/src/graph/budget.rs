//! How fast Graph may be asked, for one app in one tenant (protocol section 7.2). These limits are Graph's own: the
//! Connector's pace knows nothing of them.
//!
//! Nothing here waits or sends. Whoever calls asks [`Budget::take`] before each call, waits until the time that it names,
//! and tells of each 429 ([`Budget::refused`]). Time is a parameter: how long ago some fixed moment was, on a clock that
//! never goes back.
//!
//! What several tenants share is not counted here: an app in many of them has, over all, 20 times a Teams limit and
//! 150,000 resource units in 20 s.

mod limit;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::operation::{Kind, Operation, Resource};
use limit::Limit;

/// A window of the directory's resource units.
const UNITS_WINDOW: Duration = Duration::from_secs(10);
/// Things with a limit of their own are forgotten when they are idle, looked at when there are so many.
const SWEEP_FROM: usize = 1024;

/// How large the tenant is: what its directory gives to one app depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TenantSize {
    /// Under 50 users, or not known yet: 3,500 resource units in 10 s.
    #[default]
    Small,
    /// 50 to 500 users: 5,000.
    Medium,
    /// More: 8,000.
    Large,
}

impl TenantSize {
    /// Of a tenant with so many users.
    pub fn of(users: u64) -> Self {
        match users {
            0..50 => TenantSize::Small,
            50..=500 => TenantSize::Medium,
            _ => TenantSize::Large,
        }
    }

    /// Resource units in 10 s.
    pub fn units(self) -> u32 {
        match self {
            TenantSize::Small => 3_500,
            TenantSize::Medium => 5_000,
            TenantSize::Large => 8_000,
        }
    }
}

/// The rows of Microsoft's table that are counted apart ("Microsoft Graph service-specific throttling limits", Microsoft
/// Teams). Where two rows may be one counter, they are one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    InstalledApps,
    Install,
    Remove,
    Catalogue,
    Rosters,
    Team,
    OtherRead,
    OtherWrite,
}

impl Class {
    /// `None` for what the directory answers, and for a batch, whose items count.
    fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::InstalledApps(_) => Class::InstalledApps,
            Kind::Install(_) => Class::Install,
            Kind::Remove(_) => Class::Remove,
            Kind::Catalogue => Class::Catalogue,
            Kind::TeamMembers | Kind::Channels | Kind::ChannelMembers => Class::Rosters,
            Kind::Team | Kind::Channel => Class::Team,
            Kind::InstallationChat | Kind::OtherRead => Class::OtherRead,
            Kind::Upgrade(_) | Kind::OtherWrite => Class::OtherWrite,
            Kind::Users
            | Kind::User
            | Kind::UsersDelta
            | Kind::Groups
            | Kind::Group
            | Kind::GroupsDelta
            | Kind::GroupMembers
            | Kind::TransitiveMembers
            | Kind::Batch => return None,
        })
    }

    /// Requests a second.
    fn limit(self) -> u32 {
        match self {
            Class::InstalledApps
            | Class::Install
            | Class::Catalogue
            | Class::Team
            | Class::OtherRead
            | Class::OtherWrite => 30,
            Class::Remove => 15,
            Class::Rosters => 60,
        }
    }
}

/// Requests a second to one team, channel, chat or installation.
fn limit_of(resource: &Resource) -> u32 {
    match resource {
        Resource::Team(_) => 4,
        Resource::Channel(_) | Resource::Chat(_) | Resource::Installation(_) => 1,
    }
}

/// Every limit of one app in one tenant.
#[derive(Debug, Clone)]
pub struct Budget {
    units: Limit,
    classes: BTreeMap<Class, Limit>,
    resources: HashMap<Resource, Limit>,
    sweep_at: usize,
}

impl Budget {
    /// For a tenant of this size.
    pub fn new(size: TenantSize) -> Self {
        Self {
            units: Limit::new(size.units(), UNITS_WINDOW),
            classes: BTreeMap::new(),
            resources: HashMap::new(),
            sweep_at: SWEEP_FROM,
        }
    }

    /// The tenant turned out to be of this size.
    pub fn set_size(&mut self, size: TenantSize) {
        self.units.set_units(size.units());
    }

    /// Takes what a call needs, which then starts at once; or says when to ask again, and nothing is taken.
    ///
    /// ```
    /// use std::time::Duration;
    /// use nuncio_teams::graph::budget::{Budget, TenantSize};
    /// use nuncio_teams::graph::request::{Scope, installed_apps};
    ///
    /// let mut budget = Budget::new(TenantSize::Small);
    /// let operation = installed_apps(Scope::User("ines@contoso.com"), None).operation();
    /// assert_eq!(budget.take(Duration::ZERO, &operation), Ok(()));
    /// // 30 a second, evenly: the next one is a thirtieth of a second away.
    /// let at = budget.take(Duration::ZERO, &operation).unwrap_err();
    /// assert_eq!(at.as_millis(), 33);
    /// ```
    pub fn take(&mut self, now: Duration, operation: &Operation) -> Result<(), Duration> {
        self.take_one(now, operation, true)
    }

    /// Takes what the first items of a batch need, as many as may start now; that many go out in one call. Or says when
    /// to ask again. Items of one batch start together, so they are not evenly spaced, but what follows makes up for it,
    /// and no window is broken.
    pub fn take_batch(&mut self, now: Duration, operations: &[Operation]) -> Result<usize, Duration> {
        for (position, operation) in operations.iter().enumerate() {
            match self.take_one(now, operation, position == 0) {
                Ok(()) => {}
                Err(at) if position == 0 => return Err(at),
                Err(_) => return Ok(position),
            }
        }
        Ok(operations.len())
    }

    fn take_one(&mut self, now: Duration, operation: &Operation, evenly: bool) -> Result<(), Duration> {
        let mut at = now;
        self.each(now, operation, |limit, cost| {
            if let Err(later) = limit.ready(now, cost, evenly) {
                at = at.max(later);
            }
        });
        if at > now {
            return Err(at);
        }
        self.each(now, operation, |limit, cost| limit.take(now, cost));
        Ok(())
    }

    /// Graph answered 429 to a call of this kind. Obeyed in full; without a `Retry-After`, longer each time.
    pub fn refused(&mut self, now: Duration, operation: &Operation, retry_after: Option<Duration>) {
        self.each(now, operation, |limit, _| limit.refused(now, retry_after));
    }

    /// Every limit that a call counts against, with what it costs there.
    fn each(&mut self, now: Duration, operation: &Operation, mut with: impl FnMut(&mut Limit, u32)) {
        if operation.units > 0 {
            with(&mut self.units, operation.units);
        }
        if let Some(class) = Class::of(operation.kind) {
            with(self.classes.entry(class).or_insert_with(|| Limit::per_second(class.limit())), 1);
        }
        for resource in &operation.on {
            if self.resources.len() >= self.sweep_at {
                self.resources.retain(|_, limit| !limit.is_idle(now));
                self.sweep_at = SWEEP_FROM.max(2 * self.resources.len());
            }
            let limit = self
                .resources
                .entry(resource.clone())
                .or_insert_with(|| Limit::per_second(limit_of(resource)));
            with(limit, 1);
        }
    }
}

#[cfg(test)]
mod tests;
