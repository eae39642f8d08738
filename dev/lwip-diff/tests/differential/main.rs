//! `flumen-pbuf` against lwIP 2.1.3 as the distribution ships it, operation by operation.
//!
//! Both sides get the same random operations; after each, results, lengths, links, reference counts and bytes are
//! compared ([`world`]). lwIP's allocators are replaced in this program ([`interpose`]): they keep a ledger of what is alive
//! and bound its pool. What makes lwIP abort is run in a child process ([`aborts`]).
//!
//! `cargo test -p lwip-diff` (with `--release` for millions of operations in seconds); `FLUMEN_DIFF_STEPS=n` for another
//! number of them, `FLUMEN_DIFF_SEED=n` for another run. Without lwIP it says SKIPPED, or fails if
//! `FLUMEN_REQUIRE_PEERS=1`.

// Calls of C functions, several in a row on the same chain; what holds for the block is said above it.
#![allow(unsafe_code, clippy::multiple_unsafe_ops_per_block)]
// The declarations of lwIP's interface are what they are.
#![allow(missing_docs, unreachable_pub, missing_debug_implementations)]

#[cfg(lwip)]
mod aborts;
#[cfg(lwip)]
mod ffi;
#[cfg(lwip)]
mod interpose;
#[cfg(lwip)]
mod literal;
#[cfg(lwip)]
mod world;

#[cfg(not(lwip))]
#[test]
fn lwip_not_installed_then_skipped_aloud() {
    println!("SKIPPED: liblwip-dev is not installed, so nothing was compared (apt-get install liblwip-dev)");
    assert!(std::env::var_os("FLUMEN_REQUIRE_PEERS").is_none_or(|value| value != "1"), "lwIP is required here");
}
