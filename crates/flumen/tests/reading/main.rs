//! `flumen read` from end to end: the binary on captures made here, and what it wrote.

mod bypass;
mod corpus;
mod damage;
mod filters;
mod inputs;
mod outputs;
mod overlaps;
mod pressure;
mod scenarios;
mod support;
mod tunnels;
mod worked_examples;
