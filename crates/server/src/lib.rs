//! HTTP: bot endpoint, REST API, health.
