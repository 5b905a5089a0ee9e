//! The people of a source, page by page.

use nuncio_domain::directory::{DirectoryError, DirectoryPage, DirectorySource};
use nuncio_teams::graph::{CallError, List, Pages, User};

use crate::errors;
use crate::people::{SELECT, person};
use crate::tenant::Tenant;

pub(crate) async fn page(
    tenant: &Tenant,
    source: &DirectorySource,
    cursor: Option<&str>,
) -> Result<DirectoryPage, DirectoryError> {
    let list = List { select: &SELECT, top: tenant.page_size() };
    let of = match source {
        DirectorySource::Everyone => None,
        // Who is in a team is in its group, where more is said of them than in the team.
        DirectorySource::Group(id) | DirectorySource::Team(id) => Some(id.as_str()),
    };
    let pages = match (cursor, of) {
        (Some(link), _) => {
            tenant.graph.resume(link).map_err(|error| DirectoryError::Refused(error.to_string()))?
        }
        (None, None) => tenant.graph.users(&list),
        (None, Some(id)) => tenant.graph.transitive_users(id, &list),
    };
    match read(tenant, pages).await {
        Ok(page) => Ok(page),
        Err(CallError::TooLong) if tenant.shrink() => {
            Err(DirectoryError::Anew("a page was too long to be read".to_owned()))
        }
        Err(error) if cursor.is_some() => Err(errors::of_link(&error, of)),
        Err(error) => Err(errors::of_call(&error, of)),
    }
}

async fn read(tenant: &Tenant, mut pages: Pages<User>) -> Result<DirectoryPage, CallError> {
    let page = tenant.next(&mut pages).await?;
    let next = match pages.link() {
        Some(link) => Some(link.to_owned()),
        // The end, or a link that cannot be followed: no call is made to find out.
        None => match pages.next().await {
            None => None,
            Some(Err(error)) => return Err(error),
            Some(Ok(_)) => return Err(CallError::LinkRepeats),
        },
    };
    Ok(DirectoryPage { people: page.items.into_iter().filter_map(person).collect(), next })
}
