//! Proactive messaging for Microsoft Teams.
