//! Names of columns, and of members of an object, that hold people.

/// Best first: an object id needs no look-up. As they are called by Entra, by Graph and its PowerShell, and by Exchange
/// (Microsoft, "user resource type": `id`, `userPrincipalName`, `mail`; Get-Mailbox: `PrimarySmtpAddress`), without what
/// is no letter.
const KNOWN: [&str; 15] = [
    "objectid",
    "id",
    "entraid",
    "entraobjectid",
    "aadobjectid",
    "azureadobjectid",
    "userid",
    "userprincipalname",
    "upn",
    "user",
    "username",
    "mail",
    "email",
    "emailaddress",
    "primarysmtpaddress",
];

/// How good a column of this name is, from 0; `None` if it holds no people.
pub(super) fn rank(name: &str) -> Option<usize> {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    KNOWN.iter().position(|known| *known == plain)
}

/// The best of several.
pub(super) fn best<T>(all: impl Iterator<Item = (String, T)>) -> Option<T> {
    let ranked = all.filter_map(|(name, of)| Some((rank(&name)?, of)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, of)| of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_they_are_written() {
        for name in
            ["id", "Id ", "Object Id", "object_id", "userPrincipalName", "UPN", "user", "E-Mail", "mail"]
        {
            assert!(rank(name).is_some(), "{name}");
        }
        for name in ["", "Name", "Department", "ines@contoso.com", "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b"] {
            assert_eq!(rank(name), None, "{name}");
        }
        let columns = ["Name", "mail", "userPrincipalName", "Object-ID"];
        let named = columns.iter().enumerate().map(|(n, name)| ((*name).to_owned(), n));
        assert_eq!(best(named.clone()), Some(3));
        assert_eq!(best(named.take(1)), None);
    }
}
