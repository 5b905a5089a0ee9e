//! A caller of Graph, and what tests of it share.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    fixtures::fixture,
    harness::{APP, SECRET, World, read, text},
};

pub(crate) const SCOPE: &str = "https://graph.microsoft.com/.default";

pub(crate) struct Graph {
    pub(crate) world: World,
    pub(crate) token: String,
}

impl Graph {
    /// A hundred people and a bot with the usual roles, without limits.
    pub(crate) async fn start() -> Self {
        Self::of(World::start().await).await
    }

    pub(crate) async fn of(world: World) -> Self {
        world.settings(json!({"limits": false})).await;
        let token = token(&world).await;
        Self { world, token }
    }

    /// As the administrator consents to other roles; the caller gets itself a token with them.
    pub(crate) async fn consent(&mut self, roles: &[&str]) {
        self.bot(json!({"graph_roles": roles})).await;
        self.token = token(&self.world).await;
    }

    pub(crate) async fn bot(&self, change: Value) -> Value {
        let (status, bot) = self.world.control(Method::PATCH, &format!("bots/{APP}"), Some(change)).await;
        assert_eq!(status, 200, "{bot}");
        bot
    }

    /// `path`: below `/v1.0/`, or a whole link.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/v1.0/{path}", self.world.sim.base())
        };
        self.world.http.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn good(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// With `ConsistencyLevel: eventual`.
    pub(crate) async fn advanced(&self, path: &str) -> (u16, Value) {
        let request = self.request(Method::GET, path).header("ConsistencyLevel", "eventual");
        read(request.send().await.unwrap()).await
    }

    /// All items of all pages.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let (status, page) = self.advanced(&path).await;
            assert_eq!(status, 200, "{path}: {page}");
            items.extend(page["value"].as_array().unwrap().clone());
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
        }
        items
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        read(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> u16 {
        self.request(Method::DELETE, path).send().await.unwrap().status().as_u16()
    }

    /// The id of the bot's app in the catalogue.
    pub(crate) async fn app(&self) -> String {
        text(&self.good("appCatalogs/teamsApps").await["value"][0]["id"]).to_owned()
    }

    /// What an install names the app by.
    pub(crate) async fn bind(&self) -> Value {
        json!({"teamsApp@odata.bind": format!("https://graph.microsoft.com/v1.0/appCatalogs/teamsApps/{}", self.app().await)})
    }

    pub(crate) async fn install(&self, person: &Value) -> (u16, Value) {
        let path = format!("users/{}/teamwork/installedApps", text(&person["id"]));
        self.post(&path, self.bind().await).await
    }
}

pub(crate) async fn token(world: &World) -> String {
    let (status, answer) = world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await;
    assert_eq!(status, 200, "{answer}");
    text(&answer["access_token"]).to_owned()
}

/// Ids, times and hosts as dots, so that what is left is Microsoft's wording.
pub(crate) fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::String(text) => {
            let words = text.split([' ', '\'', ',']).map(|word| {
                let long = word.len() >= 19 && word.bytes().any(|byte| byte.is_ascii_digit());
                if long { "…" } else { word }
            });
            words.collect::<Vec<_>>().join(" ").into()
        }
        other => other.clone(),
    }
}

/// An error of Graph's equals its fixture, but for ids and times.
pub(crate) fn assert_refused(answer: &(u16, Value), name: &str) {
    let expected = fixture(&format!("graph/{name}.json"));
    assert_eq!(json!(answer.0), expected["status"], "{name}: {}", answer.1);
    assert_eq!(plain(&answer.1), plain(&expected["body"]), "{name}");
}

/// The same names and kinds of values, whatever the values; of lists the first item counts.
pub(crate) fn assert_shape(is: &Value, expected: &Value, at: &str) {
    match (is, expected) {
        (Value::Object(one), Value::Object(other)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(one), names(other), "{at}");
            for (name, value) in other {
                assert_shape(&one[name], value, &format!("{at}.{name}"));
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            if let (Some(one), Some(other)) = (one.first(), other.first()) {
                assert_shape(one, other, &format!("{at}[0]"));
            }
        }
        _ => {
            assert_eq!(std::mem::discriminant(is), std::mem::discriminant(expected), "{at}: {is} {expected}");
        }
    }
}

pub(crate) fn assert_good(body: &Value, name: &str) {
    assert_shape(body, &fixture(&format!("graph/{name}.json"))["body"], name);
}

pub(crate) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}
