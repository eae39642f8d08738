//! Whom to go on as once interfaces are open (`run-as`).

use std::fs;
use std::io;

use anyhow::Context;
use flumen_capture::rights::{Identity, become_identity, refuse_new_rights};
use flumen_control::group_id;

use crate::config::live::LiveSettings;

/// Whom the settings name; `None` when the process goes on as it is.
pub(crate) fn identity(settings: &LiveSettings) -> anyhow::Result<Option<Identity>> {
    let Some(name) = &settings.user else {
        anyhow::ensure!(settings.group.is_none(), "run-as.group needs run-as.user beside it");
        return Ok(None);
    };
    let users = fs::read_to_string("/etc/passwd").context("run-as: the users of this machine")?;
    let identity = find(&users, name).with_context(|| format!("run-as: there is no user '{name}'"))?;
    match &settings.group {
        None => Ok(Some(identity)),
        Some(group) => {
            let group = group_id(group).context("run-as")?;
            Ok(Some(Identity { group, ..identity }))
        }
    }
}

/// Goes on as somebody else, when there is somebody, and in any case without a way to new rights.
pub(crate) fn give_up(identity: Option<Identity>) -> anyhow::Result<()> {
    if let Some(identity) = identity {
        become_identity(identity).map_err(|error| {
            let needs = if error.kind() == io::ErrorKind::PermissionDenied {
                "; it takes the capabilities CAP_SETUID and CAP_SETGID"
            } else {
                ""
            };
            anyhow::anyhow!("run-as: going on as user {}: {error}{needs}", identity.user)
        })?;
    }
    refuse_new_rights().context("refusing new rights")
}

/// The user of a name or a number: `name:password:user:group:…`, one a line (passwd(5)). A number need not be there.
fn find(users: &str, name: &str) -> Option<Identity> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let known = fields.into_iter().find_map(|fields| match fields.as_slice() {
        [known, _, user, group, ..] if *known == name || *user == name => {
            Some(Identity { user: user.parse().ok()?, group: group.parse().ok()? })
        }
        _ => None,
    });
    known.or_else(|| name.parse().ok().map(|number| Identity { user: number, group: number }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_by_name_or_number_then_with_its_group() {
        let users = "root:x:0:0:root:/:/bin/sh\nflumen:x:991:993::/:/bin/false\nbroken:x:\n";
        assert_eq!(find(users, "flumen"), Some(Identity { user: 991, group: 993 }));
        assert_eq!(find(users, "991"), Some(Identity { user: 991, group: 993 }));
        assert_eq!(find(users, "7"), Some(Identity { user: 7, group: 7 }));
        assert_eq!(find(users, "broken"), None);
        assert_eq!(find(users, "flu"), None);
    }
}
