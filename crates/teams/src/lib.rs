//! Microsoft Teams as a bot meets it: schema, connector, token, inbound authentication, clouds.
