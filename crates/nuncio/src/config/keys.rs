//! Which keys there are. An app's name stands as `*`.

/// Every key of the file. The variable of a key is its name in capitals with `_` for `.`, after `NUNCIO_`.
pub(super) const KEYS: [&str; 51] = [
    "server.listen",
    "database.path",
    "database.url",
    "database.url_file",
    "database.pooler",
    "log.format",
    "log.filter",
    "http.extra_ca_file",
    "http.proxy",
    "http.proxy_file",
    "reachability.recheck_days",
    "app.*.app_id",
    "app.*.tenant_id",
    "app.*.allowed_tenants",
    "app.*.kind",
    "app.*.identity",
    "app.*.client_secret",
    "app.*.client_secret_file",
    "app.*.client_secret_expires",
    "app.*.certificate_file",
    "app.*.private_key_file",
    "app.*.assertion",
    "app.*.send_x5c",
    "app.*.federated_token_file",
    "app.*.federated_by",
    "app.*.cloud",
    "app.*.gateway_errors",
    "app.*.may_install",
    "app.*.teams_app_id",
    "app.*.resource_permissions",
    "app.*.directory",
    "app.*.directory_interval_minutes",
    "app.*.directory_max_age_hours",
    "app.*.welcome.personal",
    "app.*.welcome.personal_card_file",
    "app.*.welcome.team",
    "app.*.welcome.team_card_file",
    "app.*.welcome.installed_by",
    "app.*.replies.stop",
    "app.*.replies.start",
    "app.*.replies.other",
    "app.*.replies.received",
    "app.*.endpoints.base",
    "app.*.endpoints.authority",
    "app.*.endpoints.login_tenant",
    "app.*.endpoints.bot_scope",
    "app.*.endpoints.issuer",
    "app.*.endpoints.openid_metadata",
    "app.*.endpoints.service_url",
    "app.*.endpoints.graph",
    "app.*.limits.calls_per_s",
];

/// Tables of the contract that nothing obeys yet; they are refused as what they are.
const NOT_BUILT_YET: [&str; 1] = ["server.tls"];

/// Variables of ours that are no configuration: those of commands, and where the configuration is.
const OTHER_VARIABLES: [&str; 6] =
    ["NUNCIO_CONFIG", "NUNCIO_KEY", "NUNCIO_KEY_FILE", "NUNCIO_LOG", "NUNCIO_SIM_CONTROL_KEY", "NUNCIO_URL"];

/// What a path in the file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    Key,
    /// A table that keys are in.
    Table,
    NotBuiltYet,
    /// Nothing; perhaps the other name was meant.
    Unknown(Option<String>),
}

/// What `path` is. The table `app` takes any name.
pub(super) fn look_up(path: &[String]) -> Known {
    let pattern = pattern(path);
    let below = |key: &str, table: &str| key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'));
    if NOT_BUILT_YET.iter().any(|key| *key == pattern || below(&pattern, key)) {
        return Known::NotBuiltYet;
    }
    if KEYS.contains(&pattern.as_str()) {
        return Known::Key;
    }
    if KEYS.iter().any(|key| below(key, &pattern)) {
        return Known::Table;
    }
    let (parent, name) = pattern.rsplit_once('.').unwrap_or(("", &pattern));
    let siblings = KEYS.iter().filter_map(|key| match parent {
        "" => key.split('.').next(),
        _ => key.strip_prefix(parent)?.strip_prefix('.')?.split('.').next(),
    });
    Known::Unknown(nearest(name, siblings).map(str::to_owned))
}

fn pattern(path: &[String]) -> String {
    let mut parts: Vec<&str> = path.iter().map(String::as_str).collect();
    if parts.len() > 1 && parts[0] == "app" {
        parts[1] = "*";
    }
    parts.join(".")
}

/// What a variable means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A path of the file; an app's name as the file has it, or in lower case where the file has no such app.
    Key(Vec<String>),
    /// Not for us.
    Other,
    Unknown(Option<String>),
}

/// What the variable `name` means beside the apps that the file names.
pub(super) fn variable(name: &str, apps: &[String]) -> Meaning {
    if !name.starts_with("NUNCIO_") || OTHER_VARIABLES.contains(&name) {
        return Meaning::Other;
    }
    let split = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    if let Some(key) = KEYS.iter().find(|key| !key.contains('*') && variable_of(key) == name) {
        return Meaning::Key(split(key));
    }
    // The longest key that fits: `…_BOT_SCOPE` is not an app with an underscore in its name and a key `scope`.
    let of_app = KEYS.iter().filter_map(|key| {
        let suffix = variable_of(key.strip_prefix("app.*.")?);
        let suffix = suffix.strip_prefix("NUNCIO")?;
        let app = name.strip_prefix("NUNCIO_APP_")?.strip_suffix(suffix)?;
        (!app.is_empty()).then_some((suffix.len(), app, *key))
    });
    if let Some((_, app, key)) = of_app.max_by_key(|(length, ..)| *length) {
        let in_file = apps.iter().find(|known| same_app(known, app));
        let app = in_file.cloned().unwrap_or_else(|| app.to_ascii_lowercase());
        let mut path = split(key);
        path[1] = app;
        return Meaning::Key(path);
    }
    let candidates: Vec<String> = KEYS
        .iter()
        .flat_map(|key| match key.strip_prefix("app.*.") {
            None => vec![variable_of(key)],
            Some(key) => apps.iter().map(|app| variable_of(&format!("app.{app}.{key}"))).collect(),
        })
        .chain(OTHER_VARIABLES.map(str::to_owned))
        .collect();
    Meaning::Unknown(nearest(name, candidates.iter().map(String::as_str)).map(str::to_owned))
}

/// The variable of a key: `server.listen` is `NUNCIO_SERVER_LISTEN`.
pub(super) fn variable_of(path: &str) -> String {
    format!("NUNCIO_{}", path.replace(['.', '-'], "_").to_ascii_uppercase())
}

/// Whether two names of apps are the same to the environment, which has neither small letters nor hyphens.
pub(super) fn same_app(a: &str, b: &str) -> bool {
    variable_of(a) == variable_of(b)
}

/// The candidate that `name` is probably a misspelling of.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be put in, taken out, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn paths() {
        assert_eq!(look_up(&path("server.listen")), Known::Key);
        assert_eq!(look_up(&path("app")), Known::Table);
        assert_eq!(look_up(&path("app.main")), Known::Table);
        assert_eq!(look_up(&path("app.main.endpoints")), Known::Table);
        assert_eq!(look_up(&path("app.main.limits.calls_per_s")), Known::Key);
        assert_eq!(look_up(&path("server.tls")), Known::NotBuiltYet);
        assert_eq!(look_up(&path("server.tls.anything")), Known::NotBuiltYet);
        for (wrong, meant) in [
            ("sever", "server"),
            ("server.lisetn", "listen"),
            ("app.main.clinet_secret", "client_secret"),
            ("app.main.endpoints.autority", "authority"),
            ("app.main.tenant", "tenant_id"),
        ] {
            assert_eq!(look_up(&path(wrong)), Known::Unknown(Some(meant.to_owned())), "{wrong}");
        }
        assert_eq!(look_up(&path("app.main.colour")), Known::Unknown(None));
    }

    #[test]
    fn variables() {
        let apps = ["main".to_owned(), "On-Call".to_owned()];
        let key = |text: &str| Meaning::Key(path(text));
        for (name, meaning) in [
            ("NUNCIO_SERVER_LISTEN", key("server.listen")),
            ("NUNCIO_REACHABILITY_RECHECK_DAYS", key("reachability.recheck_days")),
            ("NUNCIO_APP_MAIN_CLIENT_SECRET", key("app.main.client_secret")),
            ("NUNCIO_APP_MAIN_CLIENT_SECRET_FILE", key("app.main.client_secret_file")),
            ("NUNCIO_APP_ON_CALL_APP_ID", key("app.On-Call.app_id")),
            ("NUNCIO_APP_NEW_ENDPOINTS_BOT_SCOPE", key("app.new.endpoints.bot_scope")),
            ("NUNCIO_APP_MAIN_LIMITS_CALLS_PER_S", key("app.main.limits.calls_per_s")),
            ("NUNCIO_KEY", Meaning::Other),
            ("PATH", Meaning::Other),
            ("NUNCIO_SERVER_LISTN", Meaning::Unknown(Some("NUNCIO_SERVER_LISTEN".to_owned()))),
            (
                "NUNCIO_APP_MAIN_CLINET_SECRET",
                Meaning::Unknown(Some("NUNCIO_APP_MAIN_CLIENT_SECRET".to_owned())),
            ),
            ("NUNCIO_APP_APP_ID", Meaning::Unknown(None)),
            ("NUNCIO_COLOUR", Meaning::Unknown(None)),
        ] {
            assert_eq!(variable(name, &apps), meaning, "{name}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, letters) in [("", "", 0), ("a", "", 1), ("clinet", "client", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), letters, "{a} {b}");
        }
    }
}
