//! What an app proves itself with: one credential, or the managed identity that it is.

use std::path::PathBuf;

use jiff::Timestamp;
use nuncio_teams::cloud::Endpoints;
use nuncio_teams::token::{AssertionAlgorithm, Certificate, Credential, Identity, ManagedIdentity};
use secrecy::SecretString;
use uuid::Uuid;

use super::app::Kind;
use super::read::Reader;

/// What App Service, Functions and Container Apps give to the apps that they start.
const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
const IDENTITY_HEADER: &str = "IDENTITY_HEADER";

/// Where an app's tokens come from.
#[derive(Debug, Clone)]
pub enum AppCredential {
    /// From Entra's token endpoint.
    Entra(Credential),
    /// From the machine that it runs on.
    ManagedIdentity(ManagedIdentity),
}

/// The forms of a credential by their keys.
const FORMS: [&[&str]; 4] = [
    // Of the two forms of the secret only one can be; the reader sees to that.
    &["client_secret", "client_secret_file"],
    &["certificate_file", "private_key_file"],
    &["federated_token_file"],
    &["federated_by"],
];

/// The one credential. Files are read here, where a complaint can still name its line.
pub(super) fn read(
    reader: &mut Reader,
    name: &str,
    kind: Kind,
    app_id: &str,
    endpoints: &Endpoints,
) -> Option<AppCredential> {
    let key = |key| ["app", name, key];
    let said: Vec<&str> = FORMS
        .iter()
        .filter_map(|form| form.iter().copied().find(|name| reader.is_said(&key(name))))
        .collect();
    for only in ["assertion", "send_x5c"] {
        if reader.is_said(&key(only)) && !reader.is_said(&key("certificate_file")) {
            reader.complain(&key(only), "goes with certificate_file only");
        }
    }
    if kind == Kind::ManagedIdentity {
        for form in said {
            let text = "does not go with kind = \"managed_identity\", which needs no credential";
            reader.complain(&key(form), text);
        }
        let words = [("user_assigned", true), ("system_assigned", false)];
        let identity = match reader.word(&key("identity"), &words) {
            Some(false) => Identity::SystemAssigned,
            _ => Identity::UserAssigned(app_id.to_owned()),
        };
        return managed(reader, &key("kind"), endpoints, identity).map(AppCredential::ManagedIdentity);
    }
    if reader.is_said(&key("identity")) {
        reader.complain(&key("identity"), "goes with kind = \"managed_identity\" only");
    }
    let credential = match said.as_slice() {
        [] => {
            reader.complain(
                &key("client_secret"),
                "or client_secret_file is missing, or certificate_file with private_key_file, federated_token_file or federated_by",
            );
            None
        }
        ["client_secret" | "client_secret_file"] => {
            reader.secret(&["app", name], "client_secret").map(Credential::Secret)
        }
        ["federated_token_file"] => {
            // Read for each request; here only so that a wrong path is told at once.
            let (file, _) = read_file(reader, &key("federated_token_file"), "where the token is")?;
            Some(Credential::FederatedTokenFile(file))
        }
        ["federated_by"] => {
            let path = key("federated_by");
            let what = "\"system_assigned\", or the client id (a GUID) of a managed identity";
            let identity = reader.parsed(&path, what, identity)?;
            managed(reader, &path, endpoints, identity).map(Credential::FederatedIdentity)
        }
        [_] => certificate(reader, name).map(Credential::Certificate),
        [first, .., last] => {
            let first = key(first).join(".");
            reader.complain(&key(last), &format!("and {first} are both given: an app has one credential"));
            None
        }
    };
    credential.map(AppCredential::Entra)
}

/// When the secret ends, by the configuration.
pub(super) fn secret_end(reader: &mut Reader, name: &str) -> Option<Timestamp> {
    let key = |key| ["app", name, key];
    let path = key("client_secret_expires");
    if !reader.is_said(&path) {
        return None;
    }
    if !reader.is_said(&key("client_secret")) && !reader.is_said(&key("client_secret_file")) {
        reader.complain(&path, "goes with client_secret or client_secret_file only");
    }
    reader.end(&path)
}

fn identity(text: &str) -> Option<Identity> {
    if text == "system_assigned" {
        return Some(Identity::SystemAssigned);
    }
    Some(Identity::UserAssigned(Uuid::try_parse(text).ok()?.to_string()))
}

/// As App Service gives it where the environment says so, else as IMDS does.
fn managed(
    reader: &mut Reader,
    path: &[&str],
    endpoints: &Endpoints,
    identity: Identity,
) -> Option<ManagedIdentity> {
    let Some(endpoint) = reader.variable(IDENTITY_ENDPOINT) else {
        return Some(ManagedIdentity::imds(endpoints, identity));
    };
    let Some(header) = reader.variable(IDENTITY_HEADER).map(SecretString::from) else {
        reader.complain(
            path,
            "needs IDENTITY_HEADER beside IDENTITY_ENDPOINT in the environment (Azure Arc, which has none, is not supported)",
        );
        return None;
    };
    match ManagedIdentity::app_service(endpoints, &endpoint, &header, identity) {
        Ok(identity) => Some(identity),
        Err(error) => {
            reader.complain(path, &format!("cannot be used: {error}"));
            None
        }
    }
}

fn certificate(reader: &mut Reader, name: &str) -> Option<Certificate> {
    let key = |key| ["app", name, key];
    let algorithm = reader.word(
        &key("assertion"),
        &[("ps256", AssertionAlgorithm::Ps256), ("rs256", AssertionAlgorithm::Rs256)],
    );
    let send_chain = reader.boolean(&key("send_x5c"));
    let of_certificate = read_file(reader, &key("certificate_file"), "the certificate of private_key_file");
    let of_key = read_file(reader, &key("private_key_file"), "the private key of certificate_file");
    let ((certificate_file, certificate), (key_file, private_key)) = (of_certificate?, of_key?);
    match Certificate::from_pem(&certificate, &private_key) {
        Ok(certificate) => Some(
            certificate
                .with_algorithm(algorithm.unwrap_or_default())
                .send_chain(send_chain.unwrap_or_default()),
        ),
        Err(error) => {
            let (path, file) = if error.is_of_key() {
                (key("private_key_file"), key_file)
            } else {
                (key("certificate_file"), certificate_file)
            };
            reader.complain(&path, &format!("{} {error}", file.display()));
            None
        }
    }
}

/// A file that must be there, and what is in it.
fn read_file(reader: &mut Reader, path: &[&str], what: &str) -> Option<(PathBuf, Vec<u8>)> {
    if !reader.is_said(path) {
        reader.complain(path, &format!("is missing: {what}"));
        return None;
    }
    let file = reader.path(path)?;
    match std::fs::read(&file) {
        Ok(content) => Some((file, content)),
        Err(error) => {
            reader.complain(path, &format!("{} cannot be read: {error}", file.display()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Folder, TENANT, least};
    use super::*;

    /// A folder with a certificate, its key, and this configuration beside them.
    fn with_certificate(lines: &str) -> Folder {
        let folder = Folder::new(&least().replace("client_secret = \"hunter2\"", lines));
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        std::fs::write(folder.file("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.file("key.pem"), key.serialize_pem()).unwrap();
        folder
    }

    #[test]
    fn certificates_and_token_files() {
        let both = "certificate_file = \"cert.pem\"\nprivate_key_file = \"key.pem\"\n";
        let folder = with_certificate(&format!("{both}assertion = \"rs256\"\nsend_x5c = true"));
        let shown = format!("{:?}", folder.load(&[]).unwrap().apps[0].credential);
        assert!(shown.contains("Rs256") && shown.contains("send_chain: true"), "{shown}");
        let shown = format!("{:?}", with_certificate(both).load(&[]).unwrap().apps[0].credential);
        assert!(shown.contains("Ps256") && shown.contains("send_chain: false"), "{shown}");
        let federated = "federated_token_file = \"cert.pem\"";
        let shown = format!("{:?}", with_certificate(federated).load(&[]).unwrap().apps[0].credential);
        assert!(shown.contains("FederatedTokenFile"), "{shown}");
        for (lines, complaint) in [
            (federated.replace("cert.pem", "none"), "4: app.main.federated_token_file none cannot be read"),
            (
                both.replace("key.pem", "cert.pem"),
                "5: app.main.private_key_file cert.pem holds no private key",
            ),
            (
                both.replace("cert.pem", "key.pem"),
                "4: app.main.certificate_file key.pem holds no certificate",
            ),
            (both.replace("key.pem", "none"), "5: app.main.private_key_file none cannot be read"),
            (both.replace("private_key_file = \"key.pem\"\n", ""), "1: app.main.private_key_file is missing"),
            (
                both.replace("certificate_file = \"cert.pem\"\n", ""),
                "1: app.main.certificate_file is missing",
            ),
            (format!("{both}assertion = \"hs256\""), "6: app.main.assertion must be \"ps256\" or \"rs256\""),
            (
                format!("{both}client_secret = \"x\""),
                "4: app.main.certificate_file and app.main.client_secret are both given",
            ),
            (
                "client_secret = \"x\"\nsend_x5c = true".into(),
                "5: app.main.send_x5c goes with certificate_file",
            ),
        ] {
            let complaints = with_certificate(&lines).complaints(&[]);
            let expected = format!("nuncio.toml:{complaint}");
            assert!(complaints.len() == 1 && complaints[0].starts_with(&expected), "{complaints:#?}");
        }
    }

    /// The app with these lines instead of its secret.
    fn with(lines: &str) -> Folder {
        Folder::new(&least().replace("client_secret = \"hunter2\"", lines))
    }

    const PLATFORM: [(&str, &str); 2] =
        [("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token"), ("IDENTITY_HEADER", "p1atform")];

    #[test]
    fn managed_identities() {
        let shown = |lines: &str, env: &[(&str, &str)]| {
            let shown = format!("{:?}", with(lines).load(env).unwrap().apps[0].credential);
            assert!(!shown.contains("p1atform"), "{shown}");
            shown
        };
        let itself = "kind = \"managed_identity\"";
        let user = shown(itself, &[]);
        assert!(user.contains("imds") && user.contains("UserAssigned(\"6f2d1c84-"), "{user}");
        let system = shown(&format!("{itself}\nidentity = \"system_assigned\""), &PLATFORM);
        assert!(system.contains("app_service") && system.contains("SystemAssigned"), "{system}");
        let vouched = shown(&format!("federated_by = \"{}\"", TENANT.to_uppercase()), &[]);
        assert!(
            vouched.contains(&format!(
                "FederatedIdentity(ManagedIdentity {{ host: \"imds\", identity: UserAssigned(\"{TENANT}\")"
            )),
            "{vouched}"
        );
        let vouched = shown("federated_by = \"system_assigned\"", &PLATFORM);
        assert!(vouched.contains("app_service") && vouched.contains("SystemAssigned"), "{vouched}");
        assert_eq!(identity("system"), None);
    }

    #[test]
    fn the_end_of_a_secret() {
        let end = |line: &str, env: &[(&str, &str)]| {
            let folder = with(&format!("client_secret = \"x\"\n{line}"));
            folder.load(env).unwrap().apps[0].client_secret_expires.map(|end| end.to_string())
        };
        assert_eq!(end("", &[]), None);
        for day in ["2026-12-31", "\"2026-12-31\""] {
            let line = format!("client_secret_expires = {day}");
            assert_eq!(end(&line, &[]).as_deref(), Some("2027-01-01T00:00:00Z"), "{day}");
        }
        let time = "client_secret_expires = 2026-12-31T12:00:00+01:00";
        assert_eq!(end(time, &[]).as_deref(), Some("2026-12-31T11:00:00Z"));
        let env = [("NUNCIO_APP_MAIN_CLIENT_SECRET_EXPIRES", "2026-12-31")];
        assert_eq!(end("", &env).as_deref(), Some("2027-01-01T00:00:00Z"));
        for (lines, complaint) in [
            (
                "client_secret = \"x\"\nclient_secret_expires = 12",
                "5: app.main.client_secret_expires must be a day",
            ),
            (
                "client_secret = \"x\"\nclient_secret_expires = 2026-12-31T12:00:00",
                "5: app.main.client_secret_expires must be a day",
            ),
            (
                "kind = \"managed_identity\"\nclient_secret_expires = 2026-12-31",
                "5: app.main.client_secret_expires goes with client_secret",
            ),
        ] {
            let complaints = with(lines).complaints(&[]);
            let expected = format!("nuncio.toml:{complaint}");
            assert!(complaints.len() == 1 && complaints[0].starts_with(&expected), "{complaints:#?}");
        }
    }

    #[test]
    fn what_a_managed_identity_cannot_do_is_said() {
        let itself = "kind = \"managed_identity\"\n";
        for (lines, env, complaint) in [
            (
                format!("{itself}allowed_tenants = [\"*\"]"),
                [].as_slice(),
                "5: app.main.allowed_tenants names other tenants: a managed identity gets tokens of its own",
            ),
            (
                format!("{itself}client_secret = \"x\""),
                &[],
                "5: app.main.client_secret does not go with kind = \"managed_identity\"",
            ),
            (
                format!("{itself}federated_by = \"system_assigned\""),
                &[],
                "5: app.main.federated_by does not go with kind = \"managed_identity\"",
            ),
            (
                "client_secret = \"x\"\nidentity = \"system_assigned\"".to_owned(),
                &[],
                "5: app.main.identity goes with kind = \"managed_identity\" only",
            ),
            (
                "federated_by = \"x\"".to_owned(),
                &[],
                "4: app.main.federated_by must be \"system_assigned\", or the client id",
            ),
            (
                "federated_by = \"system_assigned\"\nclient_secret = \"x\"".to_owned(),
                &[],
                "4: app.main.federated_by and app.main.client_secret are both given",
            ),
            (
                itself.to_owned(),
                &PLATFORM[..1],
                "4: app.main.kind needs IDENTITY_HEADER beside IDENTITY_ENDPOINT",
            ),
            (
                itself.to_owned(),
                &[("IDENTITY_ENDPOINT", "https://evil.example/"), ("IDENTITY_HEADER", "x")],
                "4: app.main.kind cannot be used: IDENTITY_ENDPOINT is not an address of this machine",
            ),
        ] {
            let complaints = with(&lines).complaints(env);
            let expected = format!("nuncio.toml:{complaint}");
            assert!(complaints.len() == 1 && complaints[0].starts_with(&expected), "{complaints:#?}");
        }
    }
}
