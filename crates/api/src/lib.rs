//! Wire types and problem codes of the HTTP API.
