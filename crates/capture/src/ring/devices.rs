//! The numbers under which packets say where they came from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::config::RingConfig;

/// Numbers of the interfaces of a ring. Clones are for the other rings of a group, and number alike.
#[derive(Clone, Debug)]
pub(super) enum Devices {
    /// There is one.
    One(u16),
    /// There may be any number: each gets the next when it is first seen by one of the rings.
    Many {
        first: u16,
        /// Those that have a number.
        numbered: Arc<Mutex<HashMap<i32, u16>>>,
        /// Those of them that this ring has met.
        known: HashMap<i32, u16>,
        /// The one before, by both its numbers: packets of an interface come in rows.
        last: Option<(i32, u16)>,
    },
}

impl Devices {
    pub(super) fn of(config: &RingConfig) -> Self {
        match config.is_any() {
            false => Self::One(config.device),
            true => Self::Many { first: config.device, numbered: Arc::default(), known: HashMap::new(), last: None },
        }
    }

    /// Number of the interface that the kernel calls `interface`. One that is new is introduced, as long as there are
    /// numbers, and one at a time; all that come later share the last.
    pub(super) fn number(&mut self, interface: i32, introduce: impl FnOnce(i32)) -> u16 {
        let (first, numbered, known, last) = match self {
            Self::One(number) => return *number,
            Self::Many { first, numbered, known, last } => (*first, numbered, known, last),
        };
        match *last {
            Some((before, number)) if before == interface => return number,
            _ => {}
        }
        let number = match known.get(&interface) {
            Some(&number) => number,
            None => {
                // Whole after every statement.
                let mut numbered = numbered.lock().unwrap_or_else(PoisonError::into_inner);
                let next = u16::try_from(usize::from(first) + numbered.len());
                match (numbered.get(&interface), next) {
                    (Some(&number), _) => {
                        known.insert(interface, number);
                        number
                    }
                    (None, Ok(number)) => {
                        introduce(interface);
                        numbered.insert(interface, number);
                        known.insert(interface, number);
                        number
                    }
                    (None, Err(_)) => u16::MAX,
                }
            }
        };
        *last = Some((interface, number));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::ANY;

    #[test]
    fn interfaces_seen_then_numbered_in_that_order_and_introduced_once() {
        let mut devices = Devices::of(&RingConfig { device: 65_533, ..RingConfig::new(ANY) });
        let mut introduced = Vec::new();
        let mut number = |interface| devices.number(interface, |new| introduced.push(new));
        assert_eq!([7, 7, 3, 7, 9].map(&mut number), [65_533, 65_533, 65_534, 65_533, 65_535]);
        assert_eq!([11, 12, 11, 3].map(&mut number), [65_535, 65_535, 65_535, 65_534], "no numbers are left");
        assert_eq!(introduced, [7, 3, 9]);
    }

    #[test]
    fn two_rings_then_the_same_numbers_and_each_interface_introduced_by_one() {
        let mut one = Devices::of(&RingConfig::new(ANY));
        let mut other = one.clone();
        let introduced = std::cell::RefCell::new(Vec::new());
        let number =
            |devices: &mut Devices, interface| devices.number(interface, |new| introduced.borrow_mut().push(new));
        assert_eq!(
            [number(&mut one, 7), number(&mut other, 3), number(&mut other, 7), number(&mut one, 3)],
            [0, 1, 0, 1]
        );
        assert_eq!(*introduced.borrow(), [7, 3]);
    }

    #[test]
    fn one_interface_then_the_configured_number() {
        let mut devices = Devices::of(&RingConfig { device: 4, ..RingConfig::new("eth0") });
        assert_eq!(devices.number(77, |_| panic!("nothing to introduce")), 4);
    }
}
