//! The system calls of a packet socket, with types. Nothing here decides anything.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::blocks::Area;
use super::config::{Geometry, RingConfig};
use super::filter::Instruction;

/// A packet socket that receives nothing until it is bound.
pub(super) fn packet_socket() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    check(fd)?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option whose value is plain data.
pub(super) fn set<T: Copy>(fd: BorrowedFd<'_>, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    let (address, len) = ((&raw const *value).cast::<c_void>(), size_of::<T>() as libc::socklen_t);
    // SAFETY: `len` bytes of a value that is borrowed; the kernel only reads them.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, address, len) }).map(drop)
}

/// An option whose value is `N` words.
pub(super) fn get<const N: usize>(fd: BorrowedFd<'_>, level: c_int, option: c_int) -> io::Result<[u32; N]> {
    let mut value = [0_u32; N];
    let mut len = size_of_val(&value) as libc::socklen_t;
    let address = (&raw mut value).cast::<c_void>();
    // SAFETY:
    // - `len` bytes of a variable of ours, of which the kernel writes no more;
    // - any bytes are words.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, address, &raw mut len) })?;
    Ok(value)
}

/// Has the kernel run `program` on each frame in place of the one before.
pub(super) fn attach(fd: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let mut program: Vec<libc::sock_filter> =
        program.iter().map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel copies the instructions before the call returns.
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &libc::sock_fprog { len, filter: program.as_mut_ptr() })
}

/// Has the socket receive every protocol on an interface, or on all for 0.
pub(super) fn bind(fd: BorrowedFd<'_>, interface: i32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: interface,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let len = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address of a variable that lives, and its length.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) }).map(drop)
}

/// Maps the ring that the socket was given.
pub(super) fn map(fd: BorrowedFd<'_>, geometry: Geometry, config: &RingConfig) -> io::Result<Area> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | if config.locked { libc::MAP_LOCKED } else { 0 };
    let len = geometry.bytes();
    // SAFETY: a new mapping, wherever there is room.
    let base = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, fd.as_raw_fd(), 0) };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::AddrNotAvailable)?;
    // SAFETY:
    // - the mapping is `len` bytes long, aligned to a page, zeroed by the kernel, and stays until it is unmapped;
    // - nobody else knows its address;
    // - `unmap` gives back what was mapped.
    Ok(unsafe { Area::new(base, len, unmap) })
}

/// # Safety
/// Must be the whole of a mapping that nothing refers to any more.
unsafe fn unmap(base: NonNull<u8>, len: usize) {
    // SAFETY: by the contract of this function. It fails for bad arguments only.
    unsafe { libc::munmap(base.as_ptr().cast(), len) };
}

/// Bytes a page of memory.
pub(super) fn page_size() -> usize {
    // SAFETY: takes no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// What to wait for on a descriptor. Errors are always waited for.
pub(super) type Wanted<'a> = (BorrowedFd<'a>, i16);

/// Waits until something happens to one of two descriptors; says what did to each, nothing when the time is over.
pub(super) fn poll(first: Wanted<'_>, second: Option<Wanted<'_>>, timeout_ms: u32) -> io::Result<[i16; 2]> {
    let wait_for = |(fd, events): Wanted<'_>| libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // A negative descriptor is passed over.
    let nobody = libc::pollfd { fd: -1, events: 0, revents: 0 };
    let mut both = [wait_for(first), second.map_or(nobody, wait_for)];
    let timeout = c_int::try_from(timeout_ms).unwrap_or(c_int::MAX);
    // SAFETY: an array of two that lives.
    check(unsafe { libc::poll(both.as_mut_ptr(), 2, timeout) })?;
    Ok(both.map(|one| one.revents))
}

/// Number of the interface with this name.
pub(super) fn interface_number(fd: BorrowedFd<'_>, name: &str) -> io::Result<i32> {
    ask(fd, SIOCGIFINDEX, &mut Request::named(name)?).map(Request::word)
}

/// Name of the interface with this number.
pub(super) fn interface_name(fd: BorrowedFd<'_>, number: i32) -> io::Result<String> {
    let mut request = Request { name: [0; libc::IF_NAMESIZE], data: [0; 24] };
    request.data[..4].copy_from_slice(&number.to_ne_bytes());
    let request = ask(fd, SIOCGIFNAME, &mut request)?;
    let name = request.name.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// Longest packet of an interface in bytes, without its link header.
pub(super) fn interface_mtu(fd: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    ask(fd, SIOCGIFMTU, &mut Request::named(name)?).map(|request| request.word().cast_unsigned())
}

/// Hardware type of an interface (`ARPHRD_`).
pub(super) fn interface_hardware(fd: BorrowedFd<'_>, name: &str) -> io::Result<u16> {
    // The answer is a `sockaddr`, of which the family is the type.
    ask(fd, SIOCGIFHWADDR, &mut Request::named(name)?)
        .map(|request| u16::from_ne_bytes([request.data[0], request.data[1]]))
}

/// Flags of an interface (`IFF_`).
pub(super) fn interface_flags(fd: BorrowedFd<'_>, name: &str) -> io::Result<c_int> {
    ask(fd, SIOCGIFFLAGS, &mut Request::named(name)?).map(|request| request.word() & 0xffff)
}

/// Has an interface stamp every packet it receives.
pub(super) fn stamp_by_card(fd: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    const RECEIVE_ALL: c_int = libc::HWTSTAMP_FILTER_ALL as c_int;
    let mut wish = libc::hwtstamp_config { flags: 0, tx_type: 0, rx_filter: RECEIVE_ALL };
    let mut request = Request::named(name)?;
    let address = (&raw mut wish).expose_provenance();
    request.data[..size_of::<usize>()].copy_from_slice(&address.to_ne_bytes());
    ask(fd, libc::SIOCSHWTSTAMP, &mut request).map(drop)
}

/// `struct ifreq` (netdevice(7)): a name, and what is asked or answered.
#[repr(C, align(8))]
struct Request {
    name: [u8; libc::IF_NAMESIZE],
    data: [u8; 24],
}

impl Request {
    fn named(name: &str) -> io::Result<Self> {
        let mut request = Self { name: [0; libc::IF_NAMESIZE], data: [0; 24] };
        // One byte less, for the closing zero.
        let room = &mut request.name[..libc::IF_NAMESIZE - 1];
        room.get_mut(..name.len()).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.as_bytes());
        Ok(request)
    }
    /// What was answered, as a number.
    fn word(&mut self) -> i32 {
        let [a, b, c, d, ..] = self.data;
        i32::from_ne_bytes([a, b, c, d])
    }
}

fn ask<'a>(fd: BorrowedFd<'_>, what: libc::c_ulong, request: &'a mut Request) -> io::Result<&'a mut Request> {
    // SAFETY:
    // - the requests made here read and write no more than a `struct ifreq`, which has the size of `Request` or less;
    // - a pointer in it, as `SIOCSHWTSTAMP` takes one, leads to a variable that lives until the call returns.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), what as _, &raw mut *request) })?;
    Ok(request)
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

const SIOCGIFNAME: libc::c_ulong = 0x8910;
const SIOCGIFFLAGS: libc::c_ulong = 0x8913;
const SIOCGIFMTU: libc::c_ulong = 0x8921;
const SIOCGIFHWADDR: libc::c_ulong = 0x8927;
const SIOCGIFINDEX: libc::c_ulong = 0x8933;
