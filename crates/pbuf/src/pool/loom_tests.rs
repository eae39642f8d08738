//! The pool under all interleavings of two or three threads. Run with
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test -p flumen-pbuf --release --lib loom`.
//!
//! loom tells of leaked counts only through what it tracks, so each test checks the pool's ledger at the end.
