//! The capture sources from outside, over files that each test builds for itself.

mod captures;
mod corpus;
mod damage;
mod pcapng;
mod random;
mod scratch;
mod streams;
