//! Flumen table.
