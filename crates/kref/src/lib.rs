//! Flumen kref.
