//! MAC addresses of a flow: the client's side and the server's, a word each, in the order in which they were first seen.
//! A word that is zero is free; an address that was seen has a bit above its 48.

use flumen_model::Direction;
use flumen_model::record::MacSet;
use flumen_wire::Macs;

use crate::counters::LookupCounters;

/// Most addresses that are kept of either side, whatever is configured: Suricata's limit.
pub(crate) const MACS_MAX: usize = 10;

const SEEN: u64 = 1 << 48;

/// Adds the addresses of a frame. What the client's side sent from, the server's side sends to: so the two are swapped
/// for a frame to the client. An address that finds no room is left out.
pub(super) fn add(words: &mut [u64], macs: Macs, direction: Direction, counters: &mut LookupCounters) {
    let (client, server) = match direction {
        Direction::ToServer => (macs.src(), macs.dst()),
        Direction::ToClient => (macs.dst(), macs.src()),
    };
    let (clients, servers) = words.split_at_mut(words.len() / 2);
    add_one(clients, client, &mut counters.max_macs_src);
    add_one(servers, server, &mut counters.max_macs_dst);
}

fn add_one(list: &mut [u64], mac: [u8; 6], most: &mut u64) {
    let [a, b, c, d, e, f] = mac;
    let word = SEEN | u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let Some(place) = list.iter().position(|&known| known == word || known == 0) else { return };
    list[place] = word;
    *most = (*most).max(place as u64 + 1);
}

/// The addresses as a record has them.
pub(super) fn set(words: &[u64]) -> MacSet {
    let list = |words: &[u64]| {
        let seen = words.iter().take_while(|&&word| word != 0);
        seen.map(|word| {
            let [_, _, a, b, c, d, e, f] = word.to_be_bytes();
            [a, b, c, d, e, f]
        })
        .collect()
    };
    let (clients, servers) = words.split_at(words.len() / 2);
    MacSet { src: list(clients), dst: list(servers) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn frame(src: u8, dst: u8) -> Macs {
        Macs::new([2, 0, 0, 0, 0, src], [2, 0, 0, 0, 0, dst])
    }

    #[test]
    fn addresses_of_both_directions_then_lists_are_those_of_client_and_server() {
        let (mut words, mut counters) = ([0; 8], LookupCounters::default());
        add(&mut words, frame(1, 2), Direction::ToServer, &mut counters);
        add(&mut words, frame(2, 1), Direction::ToClient, &mut counters);
        add(&mut words, frame(3, 1), Direction::ToClient, &mut counters);
        assert_eq!(
            set(&words),
            MacSet { src: vec![frame(1, 0).src()], dst: vec![frame(2, 0).src(), frame(3, 0).src()] }
        );
        assert_eq!((counters.max_macs_src, counters.max_macs_dst), (1, 2));
    }

    #[test]
    fn one_address_too_many_then_the_first_ones_stay() {
        let (mut words, mut counters) = ([0; 2 * 3], LookupCounters::default());
        let mut model = MacSet::default();
        for n in [0, 1, 1, 2, 3, 4, 0] {
            add(&mut words, frame(n, 9), Direction::ToServer, &mut counters);
            model.add(frame(n, 9), 3);
        }
        assert_eq!(set(&words), model);
        assert_eq!(model.src.len(), 3);
        assert_eq!((counters.max_macs_src, counters.max_macs_dst), (3, 1));
    }

    #[test]
    fn the_address_of_zeroes_is_an_address() {
        let (mut words, mut counters) = ([0; 4], LookupCounters::default());
        add(&mut words, Macs::default(), Direction::ToServer, &mut counters);
        assert_eq!(set(&words), MacSet { src: vec![[0; 6]], dst: vec![[0; 6]] });
    }
}
