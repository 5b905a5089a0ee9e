//! From a delivery to connector calls, and from their answers to outcomes.
