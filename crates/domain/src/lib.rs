//! Nuncio's words and rules: ids, messages, deliveries, limiter, the lane core, ports; no I/O.
