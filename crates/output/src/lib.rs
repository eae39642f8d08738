//! Flumen output.
