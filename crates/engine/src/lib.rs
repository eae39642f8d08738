//! Flumen engine.
