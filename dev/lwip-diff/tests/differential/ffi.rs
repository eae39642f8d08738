//! The part of lwip/pbuf.h that is compared, as of 2.1.3.

use core::ffi::{c_int, c_uint, c_void};

/// `struct pbuf` of the distribution's build: no custom data, 8-bit count.
#[repr(C)]
pub struct Node {
    pub next: *mut Self,
    pub payload: *mut u8,
    pub tot_len: u16,
    pub len: u16,
    pub type_internal: u8,
    pub flags: u8,
    pub references: u8,
    pub if_idx: u8,
}

const _: () = assert!(size_of::<Node>() == 24);
const _: () = assert!(core::mem::offset_of!(Node, tot_len) == 16);
const _: () = assert!(core::mem::offset_of!(Node, references) == 22);

/// `struct pbuf_custom`.
#[repr(C)]
pub struct CustomNode {
    pub node: Node,
    pub release: Option<extern "C" fn(*mut Node)>,
}

pub const RAM: c_uint = 0x280;
pub const ROM: c_uint = 0x01;
pub const REF: c_uint = 0x41;
pub const POOL: c_uint = 0x182;
pub const OK: i8 = 0;

unsafe extern "C" {
    pub fn pbuf_alloc(layer: c_uint, len: u16, kind: c_uint) -> *mut Node;
    pub fn pbuf_alloc_reference(payload: *mut c_void, len: u16, kind: c_uint) -> *mut Node;
    pub fn pbuf_alloced_custom(
        layer: c_uint,
        len: u16,
        kind: c_uint,
        node: *mut CustomNode,
        memory: *mut c_void,
        memory_len: u16,
    ) -> *mut Node;
    pub fn pbuf_realloc(p: *mut Node, len: u16);
    pub fn pbuf_add_header(p: *mut Node, len: usize) -> u8;
    pub fn pbuf_add_header_force(p: *mut Node, len: usize) -> u8;
    pub fn pbuf_remove_header(p: *mut Node, len: usize) -> u8;
    pub fn pbuf_header(p: *mut Node, len: i16) -> u8;
    pub fn pbuf_free_header(p: *mut Node, len: u16) -> *mut Node;
    pub fn pbuf_ref(p: *mut Node);
    pub fn pbuf_free(p: *mut Node) -> u8;
    pub fn pbuf_clen(p: *const Node) -> u16;
    pub fn pbuf_cat(head: *mut Node, tail: *mut Node);
    pub fn pbuf_chain(head: *mut Node, tail: *mut Node);
    pub fn pbuf_dechain(p: *mut Node) -> *mut Node;
    pub fn pbuf_copy(to: *mut Node, from: *const Node) -> i8;
    pub fn pbuf_copy_partial_pbuf(to: *mut Node, from: *const Node, len: u16, offset: u16) -> i8;
    pub fn pbuf_copy_partial(p: *const Node, target: *mut c_void, len: u16, offset: u16) -> u16;
    pub fn pbuf_get_contiguous(p: *const Node, buffer: *mut c_void, size: usize, len: u16, offset: u16) -> *mut u8;
    pub fn pbuf_skip(p: *mut Node, offset: u16, rest: *mut u16) -> *mut Node;
    pub fn pbuf_take(p: *mut Node, data: *const c_void, len: u16) -> i8;
    pub fn pbuf_take_at(p: *mut Node, data: *const c_void, len: u16, offset: u16) -> i8;
    pub fn pbuf_coalesce(p: *mut Node, layer: c_uint) -> *mut Node;
    pub fn pbuf_clone(layer: c_uint, kind: c_uint, p: *mut Node) -> *mut Node;
    pub fn pbuf_fill_chksum(p: *mut Node, offset: u16, data: *const c_void, len: u16, sum: *mut u16) -> i8;
    pub fn pbuf_split_64k(p: *mut Node, rest: *mut *mut Node);
    pub fn pbuf_try_get_at(p: *const Node, offset: u16) -> c_int;
    pub fn pbuf_get_at(p: *const Node, offset: u16) -> u8;
    pub fn pbuf_put_at(p: *mut Node, offset: u16, byte: u8);
    pub fn pbuf_memcmp(p: *const Node, offset: u16, data: *const c_void, len: u16) -> u16;
    pub fn pbuf_memfind(p: *const Node, data: *const c_void, len: u16, from: u16) -> u16;
    pub fn pbuf_strstr(p: *const Node, text: *const u8) -> u16;
    pub fn inet_chksum_pbuf(p: *mut Node) -> u16;
}
