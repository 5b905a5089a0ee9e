//! Runs lane cores: committer, feeder, expansion, recovery.
