//! Landlock: beneath which directories files may be opened, made and removed, and which TCP ports may be listened to.
//!
//! A rule is for a directory as it is now. One that is removed and made again is another, in which nothing can be opened.

use std::path::{Path, PathBuf};

use anyhow::Context;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd, PathFdError, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::{Lack, Needs};

/// Everything that the kernel can be asked to refuse is refused but for the needs.
pub(super) fn shut(needs: &Needs) -> anyhow::Result<Vec<Lack>> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::Signal))
        .and_then(Ruleset::create)
        .context("Landlock")?;
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let directory = AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile;
    let mut missing = Vec::new();
    let mut rules = leave(rules, &needs.write, directory, &mut missing)?;
    rules = leave(rules, &needs.devices, device, &mut missing)?;
    rules = leave(rules, &needs.read, AccessFs::ReadFile | AccessFs::ReadDir, &mut missing)?;
    rules = leave(rules, &needs.remove, AccessFs::RemoveFile.into(), &mut missing)?;
    for port in &needs.ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp)).context("Landlock")?;
    }
    let status = rules.restrict_self().context("Landlock")?;
    match (status.landlock, status.ruleset) {
        (LandlockStatus::Available { .. }, RulesetStatus::FullyEnforced) => {}
        (LandlockStatus::Available { .. }, RulesetStatus::PartiallyEnforced) => missing.push(Lack::Part),
        // Nothing is shut then, so nothing else is worth saying.
        _ => missing = vec![Lack::Absent],
    }
    Ok(missing)
}

/// Leaves what is beneath these paths open; those that are not there are noted.
fn leave(
    mut rules: RulesetCreated,
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
    missing: &mut Vec<Lack>,
) -> anyhow::Result<RulesetCreated> {
    for path in paths {
        match PathFd::new(path) {
            Ok(fd) => {
                // Some rights are about directories alone, and the kernel refuses them for anything else.
                let access = if is_directory(path) { access } else { access & AccessFs::from_file(NEWEST) };
                let beneath = PathBeneath::new(fd, access);
                rules = rules.add_rule(beneath).with_context(|| format!("Landlock: {}", path.display()))?;
            }
            Err(PathFdError::OpenCall { source, .. }) => missing.push(Lack::Missing(path.clone(), source)),
            Err(error) => return Err(error).context("Landlock"),
        }
    }
    Ok(rules)
}

fn is_directory(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_dir())
}

/// What is known here; older kernels refuse less.
const NEWEST: ABI = ABI::V6;
