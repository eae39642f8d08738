//! seccomp: which system calls a process goes on with.
//!
//! There are two filters, and a call must pass both. One leaves those that are listed here and refuses others with EPERM;
//! calls that do many things are listed with the things. The other refuses to start processes and programs with ENOSYS,
//! which has the C library start threads by the one call whose flags a filter can see.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::io;

use anyhow::{Context, anyhow};
use libc::c_long;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Is, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::Lack;
use crate::config::live::{SandboxSettings, Switch};

/// Installs what the settings ask for.
pub(super) fn shut(settings: &SandboxSettings) -> anyhow::Result<Option<Lack>> {
    let Ok(arch) = TargetArch::try_from(ARCH) else { return Ok(Some(Lack::Absent)) };
    let mut filters = Vec::new();
    if settings.no_processes || settings.seccomp != Switch::No {
        filters.push(no_processes(arch)?);
    }
    if settings.seccomp != Switch::No {
        filters.push(only_known(arch)?);
    }
    for filter in filters {
        match apply_filter(&filter) {
            Ok(()) => {}
            Err(Error::Prctl(error) | Error::Seccomp(error)) if is_absent(&error) => return Ok(Some(Lack::Absent)),
            Err(error) => return Err(error).context("seccomp"),
        }
    }
    Ok(None)
}

/// A kernel without seccomp does not know the call, one without filters not its mode.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL))
}

/// A filter of these rules: what it does with calls that match one, and with others.
fn filter(
    arch: TargetArch,
    rules: BTreeMap<c_long, Vec<SeccompRule>>,
    matching: SeccompAction,
    other: SeccompAction,
) -> anyhow::Result<BpfProgram> {
    let filter = SeccompFilter::new(rules, other, matching, arch).and_then(TryInto::try_into);
    filter.map_err(|error| anyhow!("seccomp: {error}"))
}

fn no_processes(arch: TargetArch) -> anyhow::Result<BpfProgram> {
    let mut rules: BTreeMap<_, _> = STARTS.iter().map(|&call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![rule(0, Is::MaskedEq(libc::CLONE_THREAD as u64), 0)?]);
    filter(arch, rules, SeccompAction::Errno(libc::ENOSYS as u32), SeccompAction::Allow)
}

fn only_known(arch: TargetArch) -> anyhow::Result<BpfProgram> {
    let calls = CALLS.iter().chain(OLD_CALLS);
    let mut rules: BTreeMap<_, _> = calls.map(|&call| (call, Vec::new())).collect();
    for (call, argument, values) in CHOSEN {
        let these: anyhow::Result<Vec<_>> = values.iter().map(|&value| rule(*argument, Is::Eq, value)).collect();
        rules.insert(*call, these?);
    }
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![rule(2, Is::MaskedEq(libc::PROT_EXEC as u64), 0)?]);
    }
    // Limits of this process may be asked for, and not be set.
    rules.insert(libc::SYS_prlimit64, vec![all([condition(0, Is::Eq, 0)?, condition(2, Is::Eq, 0)?])?]);
    // By which a process ends itself, and could signal others.
    rules.insert(libc::SYS_tgkill, vec![rule(0, Is::Eq, std::process::id().into())?]);
    filter(arch, rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))
}

fn rule(argument: u8, is: Is, value: u64) -> anyhow::Result<SeccompRule> {
    all([condition(argument, is, value)?])
}

fn all<const N: usize>(conditions: [SeccompCondition; N]) -> anyhow::Result<SeccompRule> {
    SeccompRule::new(conditions.into()).map_err(|error| anyhow!("seccomp: {error}"))
}

fn condition(argument: u8, is: Is, value: u64) -> anyhow::Result<SeccompCondition> {
    SeccompCondition::new(argument, Width::Dword, is, value).map_err(|error| anyhow!("seccomp: {error}"))
}

/// What starts a process or a program, besides a `clone` that starts no thread.
const STARTS: &[c_long] = &[
    libc::SYS_clone3,
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Calls of which only these values of an argument are left.
const CHOSEN: &[(c_long, u8, &[u64])] = &[
    (libc::SYS_socket, 0, &[libc::AF_UNIX as u64, libc::AF_PACKET as u64, libc::AF_INET as u64, libc::AF_INET6 as u64]),
    (libc::SYS_socketpair, 0, &[libc::AF_UNIX as u64]),
    (libc::SYS_ioctl, 1, REQUESTS),
    (libc::SYS_prctl, 0, &[libc::PR_SET_NAME as u64, libc::PR_GET_NAME as u64, PR_SET_VMA]),
];

/// About interfaces; whether reading blocks; whether this is a terminal.
const REQUESTS: &[u64] = &[
    0x8910, // SIOCGIFNAME
    0x8913, // SIOCGIFFLAGS
    0x8921, // SIOCGIFMTU
    0x8927, // SIOCGIFHWADDR
    0x8933, // SIOCGIFINDEX
    0x89b0, // SIOCSHWTSTAMP
    0x5421, // FIONBIO
    0x5401, // TCGETS
];

/// Naming a piece of memory (linux/prctl.h), as memory allocators do.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Calls that are left, whatever their arguments.
#[rustfmt::skip]
const CALLS: &[c_long] = &[
    // Files.
    libc::SYS_openat, libc::SYS_close, libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_write,
    libc::SYS_writev, libc::SYS_pwrite64, libc::SYS_lseek, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx,
    libc::SYS_ftruncate, libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_flock, libc::SYS_fcntl, libc::SYS_unlinkat,
    libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_mkdirat, libc::SYS_readlinkat, libc::SYS_getdents64,
    libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_getcwd, libc::SYS_dup, libc::SYS_dup3, libc::SYS_pipe2,
    // Sockets, and waiting for them.
    libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_shutdown,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_getsockopt, libc::SYS_setsockopt, libc::SYS_sendto,
    libc::SYS_recvfrom, libc::SYS_sendmsg, libc::SYS_recvmsg, libc::SYS_ppoll, libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_eventfd2,
    // Memory.
    libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_brk, libc::SYS_membarrier,
    // Threads. Whether `clone` and `clone3` may start what they are to is the other filter's question.
    libc::SYS_clone, libc::SYS_clone3, libc::SYS_set_robust_list, libc::SYS_rseq, libc::SYS_set_tid_address,
    libc::SYS_futex, libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity,
    libc::SYS_gettid, libc::SYS_getpid, libc::SYS_exit, libc::SYS_exit_group,
    // Signals that come.
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time, chance, and questions about oneself.
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_nanosleep,
    libc::SYS_gettimeofday, libc::SYS_getrandom, libc::SYS_uname, libc::SYS_sysinfo, libc::SYS_getrusage,
    libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid,
];

/// The same under the names that only older processors have.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLD_CALLS: &[c_long] = &[
    libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_rename,
    libc::SYS_unlink, libc::SYS_mkdir, libc::SYS_poll, libc::SYS_epoll_wait, libc::SYS_dup2, libc::SYS_pipe,
    libc::SYS_time, libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[c_long] = &[];
