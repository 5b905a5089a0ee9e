//! Whom a sign-in name or a mail address stands for: looked for as a sign-in name first, which is one person's alone, then
//! as an address.

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use nuncio_domain::directory::{DirectoryError, Resolved};
use nuncio_teams::graph::request::{user, users_by_mail};
use nuncio_teams::graph::{Answered, CallError, GraphRefusal, GraphRequest, User};

use crate::errors;
use crate::people::{SELECT, person};
use crate::tenant::Tenant;

/// Requests in one call (protocol section 7.2, Batching).
const BATCH: usize = 20;
/// Calls at once; the budget bounds their pace.
const AT_ONCE: usize = 4;

pub(crate) async fn resolve(tenant: &Tenant, names: &[String]) -> Result<Vec<Resolved>, DirectoryError> {
    let by_name = ask(tenant, names.iter().map(|name| user(name, &SELECT)).collect()).await?;
    let mut resolved = Vec::with_capacity(names.len());
    for answer in &by_name {
        resolved.push(of_name(tenant, answer).await?);
    }
    let unknown: Vec<usize> = (0..names.len()).filter(|n| matches!(resolved[*n], Resolved::None)).collect();
    let by_mail = unknown.iter().map(|n| users_by_mail(&names[*n], &SELECT)).collect();
    for (n, answer) in unknown.into_iter().zip(ask(tenant, by_mail).await?) {
        resolved[n] = of_mail(tenant, &answer).await?;
    }
    Ok(resolved)
}

async fn ask(tenant: &Tenant, requests: Vec<GraphRequest>) -> Result<Vec<Answered>, DirectoryError> {
    type Call<'a> = BoxFuture<'a, Result<Vec<Answered>, DirectoryError>>;
    let call = |chunk| -> Call<'_> { Box::pin(tenant.batch(chunk)) };
    let calls: Vec<Call<'_>> = requests.chunks(BATCH).map(call).collect();
    let answers: Vec<Vec<Answered>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

async fn of_name(tenant: &Tenant, answer: &Answered) -> Result<Resolved, DirectoryError> {
    match answer.object::<User>() {
        Ok(user) => Ok(one(user)),
        Err(error) if nobody(&error) => Ok(Resolved::None),
        Err(error) => Err(failed(tenant, &error).await),
    }
}

async fn of_mail(tenant: &Tenant, answer: &Answered) -> Result<Resolved, DirectoryError> {
    match answer.page::<User>() {
        Ok(mut page) if page.next_link.is_none() && page.items.len() < 2 => {
            Ok(page.items.pop().map_or(Resolved::None, one))
        }
        Ok(_) => Ok(Resolved::Several),
        Err(error) if nobody(&error) => Ok(Resolved::None),
        Err(error) => Err(failed(tenant, &error).await),
    }
}

fn one(user: User) -> Resolved {
    person(user).map_or(Resolved::None, |person| Resolved::One(Box::new(person)))
}

/// Not there, or what no name can be.
fn nobody(error: &CallError) -> bool {
    error.refused().is_some_and(|refused| {
        refused.refusal == GraphRefusal::UserNotFound || [400, 404].contains(&refused.status)
    })
}

async fn failed(tenant: &Tenant, error: &CallError) -> DirectoryError {
    tenant.heed(error, &user("", &[]).operation()).await;
    errors::of_call(error, None)
}
