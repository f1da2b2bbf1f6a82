//! The description of `/v1` says what there is, no more and no less.

use std::collections::BTreeSet;

use keyrack::web::routes;
use serde_json::{Value, json};

use crate::support::TestApp;

/// All that a description can name.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

async fn document(app: &TestApp) -> Value {
    app.visitor().get("/v1/openapi.json").await.assert_status(200).json()
}

#[actix_web::test]
async fn the_description_lists_exactly_the_routes() {
    let app = TestApp::new();
    let document = document(&app).await;
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| key.as_str() != "parameters") {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let served: BTreeSet<String> = routes::all()
        .filter(|route| route.path.starts_with("/v1/"))
        .flat_map(|route| {
            let methods = if route.method == "ANY" { &METHODS[..] } else { std::slice::from_ref(&route.method) };
            methods.iter().map(|method| format!("{method} {}", route.path.replace(":.*", "")))
        })
        .collect();
    assert_eq!(described, served);
}

/// The properties that a schema of the description has, those of the schemas it is made of included.
fn properties(document: &Value, schema: &Value) -> BTreeSet<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return properties(document, &document["components"]["schemas"][name]);
    }
    let own = schema["properties"].as_object().into_iter().flat_map(|object| object.keys().cloned());
    let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| properties(document, part));
    own.chain(parts).collect()
}

fn keys_of(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[actix_web::test]
async fn answers_have_the_described_fields() {
    let app = TestApp::with(|setup| setup.rules.keys_may_manage_keys = true);
    let document = document(&app).await;
    let key = app.db_create_key("ben", "ci");
    let script = app.key(&key.secret);
    let described = |path: &str, method: &str, status: &str| {
        let answer = &document["paths"][path][method]["responses"][status];
        properties(&document, &answer["content"]["application/json"]["schema"])
    };
    let who = script.get("/v1/whoami").await.assert_status(200).json();
    assert_eq!(keys_of(&who), described("/v1/whoami", "get", "200"));
    let list = script.get("/v1/keys").await.assert_status(200).json();
    assert_eq!(keys_of(&list), described("/v1/keys", "get", "200"));
    let one = script.get(&format!("/v1/keys/{}", key.id)).await.assert_status(200).json();
    assert_eq!(keys_of(&one), described("/v1/keys/{id}", "get", "200"));
    let stats = script.get(&format!("/v1/keys/{}/stats", key.id)).await.assert_status(200).json();
    assert_eq!(keys_of(&stats), described("/v1/keys/{id}/stats", "get", "200"));
    let made = script.post("/v1/keys", &json!({"name": "second"})).await.assert_status(201).json();
    app.learn(made["secret"].as_str().unwrap());
    assert_eq!(keys_of(&made), described("/v1/keys", "post", "201"));
    let path = format!("/v1/keys/{}/rotate", made["id"].as_str().unwrap());
    let rotated = script.post(&path, &json!({})).await.assert_status(200).json();
    app.learn(rotated["secret"].as_str().unwrap());
    assert_eq!(keys_of(&rotated), described("/v1/keys/{id}/rotate", "post", "200"));
    for (path, schema) in [("/v1/orgs", "OrgEntry"), ("/v1/profiles", "ProfileEntry"), ("/v1/members", "MemberEntry")] {
        let list = script.get(path).await.assert_status(200).json();
        let schema = &document["components"]["schemas"][schema];
        assert_eq!(keys_of(&list["data"][0]), properties(&document, schema), "{path}");
    }
    let problem = script.get("/v1/keys/missing0").await.assert_status(404).json();
    assert_eq!(keys_of(&problem), properties(&document, &document["components"]["schemas"]["Problem"]));
}
