use std::io::Write as _;

use nuncio_sender::outcome::GatewayErrors;
use nuncio_teams::cloud::{Cloud, Endpoints};
use nuncio_teams::token::Credential;

use super::*;

pub(super) const APP: &str = "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913";
pub(super) const TENANT: &str = "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b";

/// The least that starts, from line 1.
pub(super) fn least() -> String {
    format!("[app.main]\napp_id = \"{APP}\"\ntenant_id = \"{TENANT}\"\nclient_secret = \"hunter2\"\n")
}

/// A folder with `nuncio.toml` in it, and what loading it gives. Paths are written as `nuncio.toml` for the folder's.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("nuncio.toml"), text).unwrap();
        Self(folder)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn load(&self, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load(Some(&self.file("nuncio.toml")), &owned(env))
    }

    /// All complaints, one a line.
    pub(super) fn complaints(&self, env: &[(&str, &str)]) -> Vec<String> {
        let error = self.load(env).unwrap_err();
        let ConfigError::Problems(problems) = error else { panic!("{error}") };
        let folder = format!("{}/", self.0.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }
}

fn owned(env: &[(&str, &str)]) -> Vec<(String, String)> {
    env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(text: &str, env: &[(&str, &str)]) -> Config {
    Folder::new(text).load(env).unwrap()
}

fn complaints(text: &str) -> Vec<String> {
    Folder::new(text).complaints(&[])
}

/// Whether the one complaint is this one, up to what follows it.
#[track_caller]
fn complains(text: &str, beginning: &str) {
    let complaints = complaints(text);
    assert!(complaints.len() == 1 && complaints[0].starts_with(beginning), "{complaints:#?}");
}

/// The client secret of an app that has one.
fn secret(app: &App) -> &str {
    let Some(AppCredential::Entra(Credential::Secret(secret))) = &app.credential else {
        panic!("{:?}", app.credential)
    };
    secret.expose_secret()
}

#[test]
fn the_least_configuration_has_all_defaults() {
    let folder = Folder::new(&least());
    let config = folder.load(&[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:3978");
    assert!(matches!(&config.database, Database::File(path) if *path == folder.file("nuncio.db")));
    assert_eq!((config.log.format, config.log.filter.as_str()), (LogFormat::Text, "info"));
    assert!(config.http.extra_ca_file.is_none() && config.http.proxy.is_none());
    assert_eq!(config.reachability.recheck, Duration::from_hours(7 * 24));
    assert_eq!(config.file, Some(folder.file("nuncio.toml")));
    let [app] = config.apps.as_slice() else { panic!("one app") };
    assert_eq!((app.name.as_str(), app.app_id.as_str(), app.tenant_id.as_str()), ("main", APP, TENANT));
    assert_eq!(app.allowed_tenants, [TENANT]);
    assert_eq!(app.token_tenant(), Some(TENANT));
    assert_eq!(secret(app), "hunter2");
    assert_eq!(app.endpoints, Endpoints::of(Cloud::Public));
    assert_eq!(app.gateway_errors, GatewayErrors::Ambiguous);
    assert_eq!(app.calls_per_s, Some(50.0));
    assert!(!app.is_loopback());
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_server_instead_of_the_file() {
    let url = "postgres://nuncio:hunter2@db.example/nuncio";
    let folder = Folder::new(&format!("{}\n[database]\nurl = \"{url}\"\npooler = \"transaction\"", least()));
    let config = folder.load(&[]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let Database::Server { url: read, pooler } = &config.database else { panic!("{config:?}") };
    assert_eq!((read.expose_secret(), *pooler), (url, Pooler::Transaction));
    let with = |lines: &str| complaints(&format!("{}\n[database]\n{lines}", least()));
    let both = with(&format!("path = \"n.db\"\nurl = \"{url}\""));
    assert!(
        both.len() == 1
            && both[0].ends_with("database.path and database.url are both given: keep one of them"),
        "{both:?}"
    );
    let other = with("url = \"mysql://root:hunter2@db\"");
    assert!(other.len() == 1 && other[0].contains("does not begin with postgres://"), "{other:?}");
    assert!(!other[0].contains("hunter2"));
    assert_eq!(with("pooler = \"transaction\"").len(), 1);
}

#[test]
fn everything_can_be_said() {
    let folder = Folder::new(&format!(
        r#"
        [server]
        listen = "[::1]:80"
        [database]
        path = "data/n.db"
        [log]
        format = "json"
        filter = "warn,nuncio=debug"
        [http]
        proxy = "http://user:hunter2@proxy:8080"
        [reachability]
        recheck_days = 0
        [app.sim]
        app_id = "{upper}"
        tenant_id = "{TENANT}"
        client_secret = "s"
        kind = "multi_tenant"
        cloud = "simulator"
        endpoints = {{ base = "http://127.0.0.1:4999" }}
        gateway_errors = "retry"
        may_install = true
        teams_app_id = "9A1F3C5E-7B2D-4E60-8F41-2C6D0B9E8A73"
        resource_permissions = ["ChatMessageReadReceipt.Read.Chat"]
        allowed_tenants = ["*"]
        limits.calls_per_s = "off"
        "#,
        upper = APP.to_uppercase(),
    ));
    let config = folder.load(&[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "[::1]:80");
    assert!(matches!(&config.database, Database::File(path) if *path == folder.file("data/n.db")));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.http.proxy.as_ref().unwrap().expose_secret(), "http://user:hunter2@proxy:8080");
    assert_eq!(config.reachability.recheck, Duration::ZERO);
    let app = &config.apps[0];
    assert_eq!((app.app_id.as_str(), app.kind, app.token_tenant()), (APP, Kind::MultiTenant, None));
    assert_eq!(app.endpoints, Endpoints::simulator("http://127.0.0.1:4999"));
    assert_eq!((app.gateway_errors, app.calls_per_s), (GatewayErrors::Retry, None));
    assert!(app.may_install && app.resource_permissions == ["ChatMessageReadReceipt.Read.Chat"]);
    assert_eq!(app.teams_app_id, "9a1f3c5e-7b2d-4e60-8f41-2c6d0b9e8a73");
    assert_eq!(app.allowed_tenants, ["*"]);
    assert!(app.is_loopback());
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn endpoints_can_be_overridden_one_by_one() {
    let config = load(
        &(least()
            + r#"[app.main.endpoints]
            authority = "https://login.example.com/"
            login_tenant = "t"
            bot_scope = "s"
            issuer = "i"
            openid_metadata = "https://login.example.com/m"
            service_url = "https://smba.infra.gcc.teams.microsoft.com/teams"
            "#),
        &[],
    );
    let endpoints = &config.apps[0].endpoints;
    assert_eq!(endpoints.authority(), "https://login.example.com");
    assert_eq!((endpoints.login_tenant(), endpoints.bot_scope(), endpoints.issuer()), ("t", "s", "i"));
    assert_eq!(endpoints.openid_metadata(), "https://login.example.com/m");
    assert_eq!(endpoints.service_url(), Some("https://smba.infra.gcc.teams.microsoft.com/teams"));
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    let text = least().replace("client_secret", "clinet_secret") + "\n[sever]\nlisten = \"127.0.0.1:1\"\n";
    assert_eq!(
        complaints(&text),
        [
            "nuncio.toml:1: app.main.client_secret or client_secret_file is missing, or certificate_file with private_key_file, federated_token_file or federated_by",
            "nuncio.toml:4: unknown key \"app.main.clinet_secret\"; did you mean \"client_secret\"?",
            "nuncio.toml:6: unknown key \"sever\"; did you mean \"server\"?",
        ]
    );
    complains(&(least() + "colour = 1\n"), "nuncio.toml:5: unknown key \"app.main.colour\"");
    complains(&(least() + "limits.calls = 1\n"), "nuncio.toml:5: unknown key \"app.main.limits.calls\"");
    complains(&(least() + "[server.tls]\nx = 1\n"), "nuncio.toml:5: server.tls is not built yet");
}

#[test]
fn each_value_is_checked_with_its_line() {
    for (line, complaint) in [
        ("[server]\nlisten = \"localhost\"", "server.listen must be an address and a port"),
        ("[server]\nlisten = 3978", "server.listen must be a text in quotes"),
        ("[server]\nlisten = \" \"", "server.listen is empty"),
        ("[[log]]\nformat = \"text\"", "log is a table: write [log]"),
        ("[log]\nformat = \"xml\"", "log.format must be \"text\" or \"json\", not \"xml\""),
        ("[log]\nfilter = \"=!=\"", "log.filter must be a filter"),
        ("[http]\nproxy = \"::\"", "http.proxy is not the URL of a proxy"),
        ("[http]\nextra_ca_file = \"nowhere.pem\"", "http.extra_ca_file nowhere.pem cannot be read"),
        ("[http]\nextra_ca_file = \"nuncio.toml\"", "http.extra_ca_file nuncio.toml holds no certificate"),
        (
            "[reachability]\nrecheck_days = -1",
            "reachability.recheck_days must be a whole number from 0 to 365",
        ),
        ("[reachability]\nrecheck_days = \"7\"", "reachability.recheck_days must be a whole number"),
        ("[app.main]\nkind = \"x\"", "app.main.kind must be \"single_tenant\" or "),
        ("[app.main]\ncloud = \"azure\"", "app.main.cloud must be \"public\" or \"gcc\" or "),
        ("[app.main]\nteams_app_id = \"main\"", "app.main.teams_app_id must be a GUID"),
        ("[app.main]\nmay_install = \"no\"", "app.main.may_install must be true or false"),
        ("[app.main]\ngateway_errors = \"x\"", "app.main.gateway_errors must be \"ambiguous\" or \"retry\""),
        ("[app.main]\nallowed_tenants = []", "app.main.allowed_tenants must be a list of tenant ids"),
        (
            "[app.main]\nallowed_tenants = [\"*\", \"x\"]",
            "app.main.allowed_tenants must be a list of tenant ids",
        ),
        ("[app.main]\nallowed_tenants = \"*\"", "app.main.allowed_tenants must be a list of texts"),
        (
            "[app.main]\nlimits.calls_per_s = 0",
            "app.main.limits.calls_per_s must be a whole number from 1 to 1000",
        ),
        ("[app.main]\nlimits.calls_per_s = \"off\"", "app.main.limits.calls_per_s = \"off\" goes with"),
        ("[app.main]\nendpoints.base = \"http://127.0.0.1:1\"", "app.main.endpoints.base goes with"),
        ("[app.main]\nendpoints.authority = \"http://a\"", "app.main.endpoints.authority cannot be used: "),
        (
            "[app.main]\nendpoints.openid_metadata = \"x\"",
            "app.main.endpoints.openid_metadata cannot be used: ",
        ),
        (
            "[app.main]\nendpoints.service_url = \"https://evil.example\"",
            "app.main.endpoints.service_url cannot",
        ),
    ] {
        let text = match line.strip_prefix("[app.main]\n") {
            Some(line) => least() + line,
            None => least() + line,
        };
        // Headers stand on line 5, what is in them on line 6; lines of the app on 5.
        let number =
            if line.starts_with('[') && !line.starts_with("[app") && !line.starts_with("[[") { 6 } else { 5 };
        complains(&text, &format!("nuncio.toml:{number}: {complaint}"));
    }
}

#[test]
fn the_simulator_is_on_this_computer() {
    let text = least() + "cloud = \"simulator\"\nendpoints.base = \"http://10.0.0.1:4100\"\n";
    complains(&text, "nuncio.toml:6: app.main.endpoints.base must be an address of this computer");
}

#[test]
fn what_must_be_there() {
    assert_eq!(
        complaints("\n[app.main]\n"),
        [
            "nuncio.toml:2: app.main.app_id is missing: the application (client) id of the app registration",
            "nuncio.toml:2: app.main.tenant_id is missing: the directory (tenant) id of the app registration",
            "nuncio.toml:2: app.main.client_secret or client_secret_file is missing, or certificate_file with private_key_file, federated_token_file or federated_by",
        ]
    );
    complains("[server]\n", "nuncio.toml: no app: add a table [app.main]");
    complains(&least().replace(APP, "not-a-guid"), "nuncio.toml:2: app.main.app_id must be a GUID");
    let placeholder = least().replace(TENANT, "00000000-0000-0000-0000-000000000000");
    complains(&placeholder, "nuncio.toml:3: app.main.tenant_id is a placeholder: fill in");
}

#[test]
fn apps_are_told_apart() {
    let twice = least() + &least().replace("main", "other");
    complains(&twice, "nuncio.toml:6: app.other.app_id is that of app.main as well");
    let same = least().replace("main", "a-b") + &least().replace("main", "A_B").replace(APP, TENANT);
    complains(&same, "nuncio.toml:1: app.a-b and app.A_B are the same name in the environment");
    complains(&least().replace("main", "\"a b\""), "nuncio.toml:1: app.a b is not a name");
}

#[test]
fn what_is_not_toml_has_a_line() {
    complains(&(least() + "kind = single_tenant\n"), "nuncio.toml:5: ");
    complains(&(least() + "app_id = \"x\"\n"), "nuncio.toml:5: duplicate key");
}

#[test]
fn the_environment_goes_before_the_file() {
    let env = [
        ("NUNCIO_SERVER_LISTEN", "0.0.0.0:8080"),
        ("NUNCIO_REACHABILITY_RECHECK_DAYS", "1"),
        ("NUNCIO_APP_MAIN_CLIENT_SECRET", "from-env"),
        ("NUNCIO_APP_MAIN_ALLOWED_TENANTS", &format!("{TENANT}, {APP}")),
        ("NUNCIO_APP_MAIN_CLOUD", "simulator"),
        ("NUNCIO_APP_MAIN_ENDPOINTS_BASE", "http://localhost:4101"),
        ("NUNCIO_APP_MAIN_LIMITS_CALLS_PER_S", "20"),
        ("NUNCIO_APP_MAIN_MAY_INSTALL", "false"),
        ("NUNCIO_APP_MAIN_KIND", ""),
        ("NUNCIO_KEY", "nnc_x"),
        ("NUNCIO_LOG", "debug"),
        ("PATH", "/bin"),
    ];
    let text = "[server]\nlisten = \"127.0.0.1:1\"\n".to_owned()
        + &least().replace("client_secret = \"hunter2\"", "client_secret_file = \"nowhere\"")
        + "cloud = \"dod\"\n";
    let config = load(&text, &env);
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.reachability.recheck, Duration::from_hours(24));
    let app = &config.apps[0];
    assert_eq!(secret(app), "from-env");
    assert_eq!(app.allowed_tenants, [TENANT, APP]);
    assert_eq!(app.endpoints.authority(), "http://localhost:4101");
    assert_eq!((app.calls_per_s, app.kind), (Some(20.0), Kind::SingleTenant));
}

#[test]
fn complaints_of_the_environment_name_the_variable() {
    let env = [
        ("NUNCIO_APP_MAIN_CLINET_SECRET", "x"),
        ("NUNCIO_APP_MAIN_LIMITS_CALLS_PER_S", "many"),
        ("NUNCIO_COLOUR", "red"),
        ("NUNCIO_SERVER_LISTEN", "here"),
    ];
    assert_eq!(
        Folder::new(&least()).complaints(&env),
        [
            "NUNCIO_APP_MAIN_CLINET_SECRET: unknown variable; did you mean \"NUNCIO_APP_MAIN_CLIENT_SECRET\"?",
            "NUNCIO_APP_MAIN_LIMITS_CALLS_PER_S: app.main.limits.calls_per_s must be a whole number from 1 to 1000",
            "NUNCIO_COLOUR: unknown variable",
            "NUNCIO_SERVER_LISTEN: server.listen must be an address and a port, like 127.0.0.1:3978, not \"here\"",
        ]
    );
}

#[test]
fn an_app_can_come_from_the_environment_alone() {
    let env = [
        ("NUNCIO_APP_OPS_APP_ID", APP),
        ("NUNCIO_APP_OPS_TENANT_ID", TENANT),
        ("NUNCIO_APP_OPS_CLIENT_SECRET", "s"),
    ];
    assert_eq!(load("", &env).apps[0].name, "ops");
    let complaints = Folder::new("").complaints(&env[..2]);
    assert_eq!(
        complaints,
        [
            "nuncio.toml: app.ops.client_secret or client_secret_file is missing, or certificate_file with private_key_file, federated_token_file or federated_by"
        ]
    );
}

#[test]
fn secrets_from_files() {
    let text = least().replace("client_secret = \"hunter2\"", "client_secret_file = \"secret\"");
    let folder = Folder::new(&text);
    assert!(
        folder.complaints(&[])[0]
            .starts_with("nuncio.toml:4: app.main.client_secret_file secret cannot be read: ")
    );
    std::fs::File::create(folder.file("secret")).unwrap().write_all(b"\n").unwrap();
    assert_eq!(folder.complaints(&[]), ["nuncio.toml:4: app.main.client_secret_file secret is empty"]);
    std::fs::write(folder.file("secret"), "hunter2\n").unwrap();
    let config = folder.load(&[]).unwrap();
    assert_eq!(secret(&config.apps[0]), "hunter2");
    // A file of the environment replaces a secret of the file.
    let folder = Folder::new(&least());
    std::fs::write(folder.file("other"), "from-file").unwrap();
    let config = folder.load(&[("NUNCIO_APP_MAIN_CLIENT_SECRET_FILE", "other")]).unwrap();
    assert_eq!(secret(&config.apps[0]), "from-file");
}

#[test]
fn a_secret_is_given_once() {
    complains(
        &(least() + "client_secret_file = \"x\"\n"),
        "nuncio.toml:5: app.main.client_secret_file and app.main.client_secret are both given: keep one",
    );
}

#[test]
fn no_complaint_shows_a_secret() {
    let text = least().replace("\"hunter2\"", "[\"hunter2\"]") + "[http]\nproxy = \"::hunter2\"\n";
    let complaints = complaints(&text);
    assert_eq!(complaints.len(), 2, "{complaints:#?}");
    assert!(!complaints.concat().contains("hunter2"), "{complaints:#?}");
}

#[test]
fn without_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    let error = Config::load(Some(&path), &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Missing { .. }));
    let text = error.to_string();
    for needed in ["app_id", "tenant_id", "client_secret", "Azure Bot", "Microsoft Teams", "/api/messages"] {
        assert!(text.contains(needed), "{needed}");
    }
    assert!(text.contains("nuncio demo") && text.contains("nuncio serve --local"));
    // The environment names the file as well.
    let error = Config::load(None, &owned(&[("NUNCIO_CONFIG", path.to_str().unwrap())])).unwrap_err();
    assert!(error.to_string().contains("none.toml"), "{error}");
    // A folder is there, but no file.
    assert!(matches!(Config::load(Some(folder.path()), &[]).unwrap_err(), ConfigError::Unreadable { .. }));
}

#[test]
fn several_problems_are_told_together() {
    let error = Folder::new("[app.main]\n").load(&[]).unwrap_err().to_string();
    assert!(error.starts_with("the configuration has 3 problems\n  "), "{error}");
}

#[test]
fn the_local_app_stays_on_this_computer() {
    let config = Config::local();
    let app = &config.apps[0];
    assert!(app.is_loopback() && app.credential.is_none());
    assert!(app.endpoints.check_service_url("http://localhost:56150/_connector").is_ok());
    assert!(app.endpoints.check_service_url("https://smba.trafficmanager.net/emea/").is_err());
}

/// The example with its placeholders filled.
fn filled() -> (Folder, String) {
    let text = Config::example()
        .replace("00000000-0000-0000-0000-000000000000", APP)
        .replace("/etc/nuncio/client-secret", "secret");
    let folder = Folder::new(&text);
    std::fs::write(folder.file("secret"), "s").unwrap();
    (folder, text)
}

#[test]
fn the_example_starts_once_it_is_filled_in() {
    filled().0.load(&[]).unwrap();
    let complaints = complaints(Config::example());
    assert_eq!(complaints.len(), 3, "{complaints:#?}");
}

#[test]
fn the_example_has_every_key_with_its_default() {
    // Each "# key = value" is taken at its word: nothing changes.
    let (folder, text) = filled();
    let default = folder.load(&[]).unwrap();
    // Nor are files defaults.
    let not_defaults = [
        "url",
        "proxy",
        "client_secret",
        "client_secret_expires",
        "assertion",
        "send_x5c",
        "base",
        "identity",
        "federated_by",
        "personal",
        "team",
        "installed_by",
    ];
    let mut path = String::new();
    let mut keys: Vec<String> = Vec::new();
    let mut spoken = String::new();
    for line in text.lines() {
        if let Some(table) = line.strip_prefix('[') {
            path = table.trim_end_matches(']').replace("app.main", "app.*");
        }
        let commented = line.strip_prefix("# ");
        let key = commented.unwrap_or(line).split_once(" = ").map(|(key, _)| key);
        let key = key.filter(|key| !key.contains(' ') && !line.starts_with('['));
        keys.extend(key.map(|key| format!("{path}.{key}")));
        let speaks = key.is_some_and(|key| !not_defaults.contains(&key) && !key.ends_with("_file"));
        spoken.push_str(if speaks { commented.unwrap_or(line) } else { line });
        spoken.push('\n');
    }
    std::fs::write(folder.file("nuncio.toml"), spoken).unwrap();
    let said = folder.load(&[]).unwrap();
    assert_eq!(format!("{said:?}"), format!("{default:?}"));
    for key in keys::KEYS {
        assert!(keys.iter().any(|known| known == key), "{key} is not in the example");
    }
}

#[test]
fn the_page_of_the_documentation_is_the_example() {
    let page = include_str!("../../../../docs/configuration.md");
    let begin = page.find("```toml\n").unwrap() + "```toml\n".len();
    let end = begin + page[begin..].find("```\n").unwrap();
    assert_eq!(&page[begin..end], Config::example());
}
