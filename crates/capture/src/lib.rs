//! Flumen capture.
