use std::net::IpAddr;

use flumen_model::{Address, IpVersion, Span};
use flumen_table::{HostPolicies, OverlapPolicy};

use crate::config::{Config, Override, Problems, keys};

fn of(text: &str) -> Result<Config, Vec<String>> {
    Config::parse(text, &[], None).map_err(|Problems(problems)| problems.iter().map(plain).collect())
}

fn good(text: &str) -> Config {
    of(text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn problems(text: &str) -> Vec<String> {
    of(text).expect_err("is refused")
}

fn warnings(config: &Config) -> Vec<String> {
    config.values.warnings.iter().map(plain).collect()
}

/// `LINE: TEXT`.
fn plain(problem: &crate::config::Problem) -> String {
    problem.to_string().replace("suricata.yaml:", "")
}

/// What is known of a host.
fn known(config: &Config, host: &str) -> (OverlapPolicy, Option<u64>) {
    let (version, address) = match host.parse().expect(host) {
        IpAddr::V4(address) => (IpVersion::V4, Address::v4(address.octets())),
        IpAddr::V6(address) => (IpVersion::V6, Address(address.octets())),
    };
    let hosts = &config.settings.engine.defrag.policies;
    (hosts.policy(version, &address), hosts.timeout(version, &address).map(Span::secs))
}

const ACCEPTED: &str = "IPv4 or IPv6 addresses, each with or without / and the bits that count, \
    such as [10.0.0.0/8, \"2001:db8::1\"]";

#[test]
fn nothing_said_then_nothing_known() {
    for text in ["", "host-os-policy:\n", "host-os-policy: {bsd: []}\ndefrag: {host-config: []}\n"] {
        assert_eq!(good(text).settings.engine.defrag.policies, HostPolicies::default(), "{text}");
    }
}

#[test]
fn hosts_of_systems_in_every_spelling_then_the_longest_prefix_decides() {
    let text = "host-os-policy:
  windows: [0.0.0.0/0]
  linux: [10.0.0.0/8, 192.168.1.100, \"2001:db8::/32\"]
  solaris:
    - 10.1.0.0/16
    - \"::1\"
  macos: 10.1.2.3
  bsd-right: 172.16.0.0/12, 172.32.0.1
  last: []
";
    let config = good(text);
    let policy = |host: &str| known(&config, host).0;
    assert_eq!(policy("1.2.3.4"), OverlapPolicy::Windows);
    assert_eq!(policy("10.200.0.1"), OverlapPolicy::Linux);
    assert_eq!(policy("192.168.1.100"), OverlapPolicy::Linux);
    assert_eq!(policy("192.168.1.101"), OverlapPolicy::Windows);
    assert_eq!(policy("10.1.9.9"), OverlapPolicy::Solaris);
    assert_eq!(policy("10.1.2.3"), OverlapPolicy::First, "old Mac OS");
    assert_eq!(policy("172.31.255.255"), OverlapPolicy::BsdRight);
    assert_eq!(policy("172.32.0.1"), OverlapPolicy::BsdRight);
    assert_eq!(policy("2001:db8::7"), OverlapPolicy::Linux);
    assert_eq!(policy("::1"), OverlapPolicy::Solaris);
    assert_eq!(policy("::2"), OverlapPolicy::Bsd, "0.0.0.0/0 is IPv4 only");
    assert!(config.values.warnings.is_empty() && config.values.ignored.is_empty());
}

#[test]
fn every_system_of_the_table_then_it_has_a_policy() {
    let systems: Vec<_> = keys::rows().iter().filter_map(|key| key.name.strip_prefix("host-os-policy.")).collect();
    assert_eq!(systems.len(), 15);
    for system in systems {
        assert!(OverlapPolicy::of_system(system).is_some(), "{system}");
    }
}

#[test]
fn network_of_two_systems_then_the_first_counts_with_a_warning() {
    let config = good("host-os-policy:\n  linux: [10.0.0.0/8]\n  windows:\n    - 10.9.9.9/8\n    - 10.0.0.0/8\n");
    assert_eq!(known(&config, "10.0.0.1").0, OverlapPolicy::Windows);
    assert_eq!(
        warnings(&config),
        ["2: 'host-os-policy.linux' names 10.0.0.0/8; 'host-os-policy.windows' does too, and that counts"]
    );
}

#[test]
fn not_networks_then_line_text_and_what_is_accepted() {
    let text = "host-os-policy:
  linux: [10.0.0.0/33]
  windows:
    - 10.0.0.1
    - ten
    - [10.0.0.2]
  bsd: any
  irix: {a: 1}
  linus: []
";
    assert_eq!(
        problems(text),
        [
            format!("2: 'host-os-policy.linux' cannot be '10.0.0.0/33'; it takes {ACCEPTED}"),
            format!("5: 'host-os-policy.windows' cannot be 'ten'; it takes {ACCEPTED}"),
            format!("7: 'host-os-policy.bsd' cannot be 'any'; it takes {ACCEPTED}"),
            format!("8: 'host-os-policy.irix' cannot be a section; it takes {ACCEPTED}"),
            "9: unknown key 'host-os-policy.linus'; the nearest known key is 'host-os-policy.linux'".to_owned(),
        ]
    );
    let nested = problems("host-os-policy: {bsd: [[10.0.0.2]]}\n");
    assert_eq!(nested, [format!("1: 'host-os-policy.bsd' cannot be a list; it takes {ACCEPTED}")]);
}

#[test]
fn timeouts_of_hosts_then_the_longest_prefix_decides() {
    let text = "defrag:
  host-config:
    - dmz:
        timeout: 30
        address: [192.168.1.0/24, 127.0.0.0/8, \"2001:db8::/32\"]
    - lan.2:
        timeout: 45
        address:
          - 192.168.0.0/16
          - 172.16.14.1
";
    let config = good(text);
    for (host, timeout) in [
        ("192.168.1.9", Some(30)),
        ("127.0.0.1", Some(30)),
        ("2001:db8::1", Some(30)),
        ("192.168.2.9", Some(45)),
        ("172.16.14.1", Some(45)),
        ("172.16.14.2", None),
    ] {
        assert_eq!(known(&config, host), (OverlapPolicy::Bsd, timeout), "{host}");
    }
    assert!(config.values.warnings.is_empty());
}

#[test]
fn element_of_hosts_that_is_not_whole_then_told() {
    let text = "defrag:
  host-config:
    - a: {timeout: 30}
    - b: {address: 10.0.0.1}
    - c: {timeout: soon, address: [10.0.0.1, x]}
    - d: {timeouts: 1}
    - e: 5
    - f
    - 10.0.0.1: {timeout: 5, address: 10.0.0.1}
    - [g]
";
    let accepted = "seconds, or a duration such as 500ms, 30s, 5m, 2h";
    assert_eq!(
        problems(text),
        [
            "10: an element of 'defrag.host-config' has a name, this is a list".to_owned(),
            format!("5: 'defrag.host-config.timeout' cannot be 'soon'; it takes {accepted}"),
            format!("5: 'defrag.host-config.address' cannot be 'x'; it takes {ACCEPTED}"),
            "6: unknown key 'defrag.host-config.timeouts'; the nearest known key is 'defrag.host-config.timeout'"
                .to_owned(),
            "7: 'defrag.host-config' is a section with keys, this is a single value".to_owned(),
        ]
    );
    let config = good("defrag:\n  host-config:\n    - a: {timeout: 30}\n    - f\n");
    assert_eq!(warnings(&config), ["3: 'defrag.host-config.a' has no address, so it has no effect"]);
    let alone = problems("defrag:\n  host-config:\n    - b: {address: 10.0.0.1}\n");
    assert_eq!(alone, ["3: 'defrag.host-config.b' has an address and needs 'timeout' beside it"]);
}

#[test]
fn host_of_two_elements_then_the_first_counts_with_a_warning() {
    let text = "defrag:
  host-config:
    - a: {timeout: 1, address: [10.0.0.1, 10.0.0.1]}
    - b: {timeout: 2, address: 10.0.0.1}
";
    let config = good(text);
    assert_eq!(known(&config, "10.0.0.1").1, Some(1));
    let warning = "4: 'defrag.host-config.b' names 10.0.0.1; 'defrag.host-config.a' does too, and that counts";
    assert_eq!(warnings(&config), [warning]);
}

#[test]
fn more_networks_than_fit_then_refused() {
    let networks =
        |count: u32| (0..count).map(|n| format!("10.{}.{}.1", n / 250, n % 250)).collect::<Vec<_>>().join(",");
    good(&format!("host-os-policy: {{linux: [{}]}}\n", networks(1_000)));
    let text = format!("host-os-policy: {{linux: '{}'}}\n", networks(60_000));
    assert_eq!(problems(&text), ["1: 'host-os-policy' names more than 1000 networks"]);
}

#[test]
fn hosts_on_the_command_line_then_over_those_of_the_file() {
    let text = "host-os-policy: {linux: 10.0.0.0/8}\ndefrag: {host-config: [dmz: {timeout: 5, address: 10.0.0.1}]}\n";
    let sets = ["host-os-policy.linux=[11.0.0.0/8]", "defrag.host-config.dmz.timeout=6"];
    let sets: Vec<_> = sets.iter().map(|set| Override::parse(set).expect("KEY=VALUE")).collect();
    let config = Config::parse(text, &sets, None).expect("right");
    assert_eq!(known(&config, "10.0.0.1"), (OverlapPolicy::Bsd, Some(6)));
    assert_eq!(known(&config, "11.0.0.1"), (OverlapPolicy::Linux, None));
}

#[test]
fn hosts_written_then_read_back_equal() {
    let text = "host-os-policy: {linux: [10.1.2.3/8, \"::1\"], last: []}
defrag:
  host-config: [a b: {timeout: 500ms, address: \"2001:db8::/32\"}, '#c': {timeout: 9, address: 10.0.0.1}]
";
    let config = good(text);
    let yaml = config.to_yaml();
    assert!(yaml.contains("\n  linux: [10.0.0.0/8, \"::1\"]  # suricata.yaml:1\n"), "{yaml}");
    assert!(yaml.contains("\n    - \"a b\":\n        timeout: 500ms  # suricata.yaml:3\n"), "{yaml}");
    let again = of(&yaml).unwrap_or_else(|problems| panic!("{problems:?}\n{yaml}"));
    assert_eq!(again.settings.engine.defrag, config.settings.engine.defrag);
}
