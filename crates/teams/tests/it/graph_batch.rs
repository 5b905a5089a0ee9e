//! Several requests in one call.

use std::time::Duration;

use nuncio_teams::graph::request::{self, BatchError};
use nuncio_teams::graph::{
    BatchCallError, CallError, GraphRefusal, GraphRequest, Install, Installation, Scope,
};
use serde_json::json;

use crate::graph_world::{CATALOGUE_ID, GraphWorld, INES};

fn requests(world: &GraphWorld) -> Vec<GraphRequest> {
    let root = world.graph.root();
    let mut requests: Vec<_> =
        ["a", "b", "c"].map(|id| request::install(root, Scope::User(id), CATALOGUE_ID, &[])).into();
    requests.push(request::installed_apps(Scope::User(INES), None));
    requests
}

#[tokio::test]
async fn each_item_is_an_answer_of_its_own() {
    let world = GraphWorld::new().await;
    world.answers(&["batch"]);
    let requests = requests(&world);
    let answered = world.graph.batch(&requests).await.unwrap();
    assert_eq!(world.asked(), "POST /$batch");
    let sent = world.sent();
    assert_eq!(sent["requests"].as_array().unwrap().len(), 4);
    assert_eq!(sent["requests"][1]["url"], "/users/b/teamwork/installedApps");
    assert_eq!(sent["requests"][3]["id"], "4");

    let answered: Vec<_> = answered.into_iter().map(Option::unwrap).collect();
    assert_eq!(answered[0].install().unwrap(), Install::Installed);
    assert_eq!(answered[1].install().unwrap(), Install::AlreadyThere);
    let CallError::Refused(error) = answered[2].install().unwrap_err() else { panic!() };
    assert_eq!((error.status, &error.refusal), (429, &GraphRefusal::Throttled));
    assert_eq!(error.retry_after.unwrap().wait(), Duration::from_secs(12));
    assert!(error.request_id.is_some());
    assert_eq!(answered[2].headers()["retry-after"], "12");
    let page = answered[3].page::<Installation>().unwrap();
    assert_eq!(page.items[0].teams_app.as_ref().unwrap().id.as_deref(), Some(CATALOGUE_ID));
    assert_eq!((answered[3].status(), answered[0].body().len()), (200, 0));
}

#[tokio::test]
async fn what_is_left_out_is_not_made_up() {
    let world = GraphWorld::new().await;
    let requests = requests(&world);
    world.bodies(&[json!({"responses": [
        {"id": "2", "status": 201}, {"id": "99", "status": 201}, {"id": "0", "status": 201}, {"id": "x", "status": 201},
        {"id": "4", "status": 200, "headers": {"Retry-After": 3, "bad name": "x"}, "body": {"no": "value"}},
    ]})]);
    let answered = world.graph.batch(&requests).await.unwrap();
    let there: Vec<bool> = answered.iter().map(Option::is_some).collect();
    assert_eq!(there, [false, true, false, true]);
    let item = answered[3].as_ref().unwrap();
    assert_eq!(item.page::<Installation>().unwrap_err(), CallError::NoValue);
    assert_eq!(item.headers()["retry-after"], "3");
    for body in
        [json!({}), json!([]), json!({"responses": {}}), json!({"responses": [{"id": "1", "status": 7}]})]
    {
        world.bodies(std::slice::from_ref(&body));
        let error = world.graph.batch(&requests).await.unwrap_err();
        assert!(matches!(error, BatchCallError::Call(CallError::Unreadable { .. })), "{body}: {error}");
    }
    world.answers(&["throttled_without_retry_after"]);
    let BatchCallError::Call(error) = world.graph.batch(&requests).await.unwrap_err() else { panic!() };
    assert_eq!(error.refused().unwrap().refusal, GraphRefusal::Throttled);
}

#[tokio::test]
async fn more_than_twenty_are_not_sent() {
    let world = GraphWorld::new().await;
    let many = vec![request::user("u", &[]); 21];
    let error = world.graph.batch(&many).await.unwrap_err();
    assert_eq!(error, BatchCallError::Batch(BatchError::TooMany(21)));
    assert_eq!(world.graph.batch(&[]).await.unwrap_err(), BatchCallError::Batch(BatchError::Empty));
    assert_eq!(world.server.seen().len(), 0);
}
