//! A packet socket with its ring: opened in the one order in which no packet gets in that should not.
//!
//! 1. A socket that is bound to nothing receives nothing.
//! 2. It gets its ring, and a filter that takes nothing.
//! 3. It is bound to the interface, and joins its group: now its share of the packets comes to it, and is refused.
//! 4. It goes live: the filter is replaced by the real one, in one step.
//!
//! So no packet is captured that the filter refuses, or that belongs to another ring of the group.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use super::blocks::Blocks;
use super::config::{Fanout, FanoutMode, Outgoing, RingConfig, Stamps};
use super::error::{NET_ADMIN, NET_RAW, RingError, RingErrorReason};
use super::filter::{Loopback, NOTHING};
use super::gate::RingFilter;
use super::{block, link, sys};
use flumen_model::LinkType;

/// A socket that captures, or is about to.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) blocks: Arc<Blocks>,
    /// The interface it is bound to; 0 is all of them.
    pub(super) interface: i32,
    filter: RingFilter,
    loopback: Loopback,
    /// What could not be had and could be done without.
    pub(super) notices: Vec<String>,
}

/// The group that the rings of one interface form: which of them is first finds its number, the others join.
#[derive(Clone, Debug, Default)]
pub(super) struct Group(Arc<Mutex<Option<Joined>>>);

/// A group in being.
#[derive(Clone, Copy, Debug)]
struct Joined {
    /// Groups are bound to an interface: when it is another one, so is the group.
    interface: i32,
    id: u16,
}

impl Socket {
    /// A socket that is ready to go live.
    pub(super) fn open(
        config: &RingConfig,
        group: Option<(&Group, Fanout)>,
        filter: &RingFilter,
    ) -> Result<Self, RingErrorReason> {
        let fd = sys::packet_socket().map_err(|e| RingErrorReason::of("opening a packet socket", NET_RAW, e))?;
        let fd_ref = fd.as_fd();
        let interface = match config.is_any() {
            true => 0,
            false => sys::interface_number(fd_ref, &config.interface)
                .map_err(|_| RingErrorReason::NoSuchInterface(interfaces()))?,
        };
        let blocks = ring(fd_ref, config)?;
        sys::attach(fd_ref, &NOTHING).map_err(system("refusing packets for now"))?;
        let socket = Self {
            filter: filter.clone(),
            loopback: loopback(fd_ref, config),
            notices: options(fd_ref, config)?,
            fd: Arc::new(fd),
            blocks,
            interface,
        };
        socket.bind(interface, config)?;
        if let Some((group, fanout)) = group {
            group.join(socket.fd(), interface, fanout)?;
        }
        Ok(socket)
    }

    /// Binds to an interface, which may have taken the place of one that was removed.
    pub(super) fn bind(&self, interface: i32, config: &RingConfig) -> Result<(), RingErrorReason> {
        sys::bind(self.fd(), interface).map_err(|e| RingErrorReason::of("binding", NET_RAW, e))?;
        if config.promiscuous && interface != 0 {
            let wish = libc::packet_mreq {
                mr_ifindex: interface,
                mr_type: libc::PACKET_MR_PROMISC as u16,
                mr_alen: 0,
                mr_address: [0; 8],
            };
            sys::set(self.fd(), libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &wish)
                .map_err(|e| RingErrorReason::of("promiscuous mode", NET_ADMIN, e))?;
        }
        Ok(())
    }
    /// Lets packets in.
    pub(super) fn go_live(&self) -> Result<(), RingErrorReason> {
        self.filter.open(&self.fd, self.loopback).map_err(system("attaching the filter"))
    }
    /// Lets no more packets in.
    pub(super) fn refuse(&self) -> Result<(), RingErrorReason> {
        self.filter.close(&self.fd).map_err(system("refusing further packets"))
    }
    /// Name of an interface, or what can be said of one that has gone already.
    pub(super) fn name_of(&self, interface: i32) -> String {
        sys::interface_name(self.fd(), interface).unwrap_or_else(|_| format!("interface {interface}"))
    }
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Socket {
    /// References to blocks keep the mapping, and that the socket: it must not take packets that nobody reads.
    fn drop(&mut self) {
        // There is nobody to tell, and nothing that could be wrong with this filter.
        let _ = self.refuse();
    }
}

impl Group {
    /// Has a socket take its share of what the group receives.
    fn join(&self, fd: BorrowedFd<'_>, interface: i32, fanout: Fanout) -> Result<(), RingErrorReason> {
        let mut joined = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = joined.filter(|joined| joined.interface == interface).map(|joined| joined.id);
        // After an interface was removed, its group may linger under the number that was asked for.
        let lingers = joined.is_some() && known.is_none();
        let attempt = match known.or(fanout.id) {
            Some(id) => join_as(fd, id, fanout, 0).map_err(|source| RingErrorReason::Fanout { id, source }),
            None => {
                join_as(fd, 0, fanout, libc::PACKET_FANOUT_FLAG_UNIQUEID).map_err(system("finding a free fanout group"))
            }
        };
        if let Err(error) = attempt {
            if !lingers {
                return Err(error);
            }
            join_as(fd, 0, fanout, libc::PACKET_FANOUT_FLAG_UNIQUEID).map_err(system("finding a free fanout group"))?;
        }
        let [word] =
            sys::get(fd, libc::SOL_PACKET, libc::PACKET_FANOUT).map_err(system("asking for the fanout group"))?;
        *joined = Some(Joined { interface, id: word as u16 });
        Ok(())
    }
}

fn join_as(fd: BorrowedFd<'_>, id: u16, fanout: Fanout, more_flags: u32) -> io::Result<()> {
    let mode = match fanout.mode {
        FanoutMode::Hash => libc::PACKET_FANOUT_HASH,
        FanoutMode::Cpu => libc::PACKET_FANOUT_CPU,
        FanoutMode::Queue => libc::PACKET_FANOUT_QM,
        FanoutMode::RoundRobin => libc::PACKET_FANOUT_LB,
        FanoutMode::Random => libc::PACKET_FANOUT_RND,
        FanoutMode::Rollover => libc::PACKET_FANOUT_ROLLOVER,
    };
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    let flags = flag(fanout.defrag, libc::PACKET_FANOUT_FLAG_DEFRAG)
        | flag(fanout.rollover, libc::PACKET_FANOUT_FLAG_ROLLOVER)
        | more_flags;
    let word = u32::from(id) | (mode | flags) << 16;
    sys::set(fd, libc::SOL_PACKET, libc::PACKET_FANOUT, &word)
}

/// Gives the socket its ring.
fn ring(fd: BorrowedFd<'_>, config: &RingConfig) -> Result<Arc<Blocks>, RingErrorReason> {
    let mtu = match config.is_any() {
        true => 0,
        false => sys::interface_mtu(fd, &config.interface).map_err(system("asking for the MTU"))?,
    };
    let geometry = config.geometry(mtu, sys::page_size())?;
    let packet = |option, value: &u32| sys::set(fd, libc::SOL_PACKET, option, value);
    packet(libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as u32)).map_err(system("TPACKET_V3"))?;
    packet(libc::PACKET_RESERVE, &(block::TAG_LEN as u32)).map_err(system("reserving room for tags"))?;
    let out_of_range = || RingErrorReason::Memory(geometry.bytes());
    let block_size = u32::try_from(geometry.block_size).map_err(|_| out_of_range())?;
    let blocks = u32::try_from(geometry.blocks).map_err(|_| out_of_range())?;
    let request = libc::tpacket_req3 {
        tp_block_size: block_size,
        tp_block_nr: blocks,
        // Packets take the room that they need; the kernel only checks that this divides the block.
        tp_frame_size: block_size,
        tp_frame_nr: blocks,
        tp_retire_blk_tov: config.block_timeout_ms,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    };
    let memory = |source: io::Error| match source.raw_os_error() {
        Some(libc::ENOMEM | libc::EAGAIN) => RingErrorReason::Memory(geometry.bytes()),
        _ => RingErrorReason::System { what: "making the ring", source },
    };
    sys::set(fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &request).map_err(memory)?;
    let area = sys::map(fd, geometry, config).map_err(memory)?;
    Ok(Blocks::new(area, geometry))
}

/// Sets what is neither ring nor filter; returns what could not be had.
fn options(fd: BorrowedFd<'_>, config: &RingConfig) -> Result<Vec<String>, RingErrorReason> {
    let mut notices = Vec::new();
    if config.outgoing == Outgoing::Ignored {
        sys::set(fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_u32)
            .map_err(system("ignoring what is sent"))?;
    }
    if config.stamps == Stamps::Hardware {
        let wish = libc::SOF_TIMESTAMPING_RAW_HARDWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
        sys::set(fd, libc::SOL_PACKET, libc::PACKET_TIMESTAMP, &wish).map_err(system("asking for time stamps"))?;
        if !config.is_any()
            && let Err(error) = sys::stamp_by_card(fd, &config.interface)
        {
            let what = RingErrorReason::of("time stamps by the network card", NET_ADMIN, error);
            notices.push(format!("{}: {what}; packets have the kernel's", config.interface));
        }
    }
    Ok(notices)
}

/// Whether packets may come from a loopback interface. When in doubt, they may.
fn loopback(fd: BorrowedFd<'_>, config: &RingConfig) -> Loopback {
    if config.is_any() {
        return Loopback::Possible;
    }
    match sys::interface_flags(fd, &config.interface) {
        Ok(flags) if flags & libc::IFF_LOOPBACK == 0 => Loopback::Excluded,
        _ => Loopback::Possible,
    }
}

/// Names of the interfaces that this thread sees.
fn interfaces() -> Vec<String> {
    // Two lines of headings, then `name: figures`.
    let table = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> RingErrorReason {
    move |source| RingErrorReason::System { what, source }
}

/// What a filter for this interface finds at the beginning of every frame; `None` when there is no filter for it. On
/// [`ANY`](super::ANY) it is Ethernet, which nearly all are.
///
/// # Errors
/// When there is no such interface, or a right is missing.
pub fn filter_link(interface: &str) -> Result<Option<LinkType>, RingError> {
    if interface == super::ANY {
        return Ok(Some(LinkType::Ethernet));
    }
    let named = |reason| RingError { interface: interface.to_owned(), reason };
    let refused = |source| RingErrorReason::of("opening a packet socket", NET_RAW, source);
    let fd = sys::packet_socket().map_err(|error| named(refused(error)))?;
    match sys::interface_hardware(fd.as_fd(), interface) {
        Ok(hardware) => Ok(link::of_filter(hardware)),
        Err(_) => Err(named(RingErrorReason::NoSuchInterface(interfaces()))),
    }
}
