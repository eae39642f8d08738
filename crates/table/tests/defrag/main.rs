//! Defragmentation: cases by hand, limits, and everything against a slow obvious model.

mod bed;
mod cases;
mod limits;
mod model;
mod policies;
mod random;
mod script;
