use std::path::PathBuf;

use flumen_engine::Checksums;
use flumen_model::{FlowState, Span};
use flumen_output::eve::{CommunityId, CommunityIdRule, Ipv6Form};
use flumen_table::TableConfig;
use flumen_table::config::{Compat, MemcapPolicy, RateTracking, TimeoutClass, TrackTunnel};
use flumen_wire::{PortList, TunnelPorts};

use super::scratch::Scratch;
use super::*;

/// The configuration of a file with this text.
fn of(text: &str) -> Result<Config, Problems> {
    with(text, &[])
}

/// The same with values of `--set`.
fn with(text: &str, sets: &[&str]) -> Result<Config, Problems> {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let scratch = Scratch::new(&format!("config-{count}"));
    scratch.write("suricata.yaml", text);
    let overrides: Vec<_> = sets.iter().map(|set| Override::parse(set).expect("KEY=VALUE")).collect();
    Config::load(Some(&scratch.path("suricata.yaml")), &overrides)
}

fn good(text: &str) -> Config {
    of(text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Without a file.
fn set(sets: &[&str]) -> Result<Config, Problems> {
    let overrides: Vec<_> = sets.iter().map(|set| Override::parse(set).expect("KEY=VALUE")).collect();
    Config::load(None, &overrides)
}

/// The problems of a file, each `LINE: TEXT`.
fn problems(text: &str) -> Vec<String> {
    let Problems(problems) = of(text).expect_err("is refused");
    problems.iter().map(plain).collect()
}

fn warnings(config: &Config) -> Vec<String> {
    config.values.warnings.iter().map(plain).collect()
}

/// A problem without the directory of its file.
fn plain(problem: &Problem) -> String {
    let text = problem.to_string();
    text.split_once("suricata.yaml:").map_or_else(|| text.clone(), |(_, rest)| rest.to_owned())
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn nothing_given_then_the_defaults_of_the_table() {
    let config = Config::load(None, &[]).expect("defaults are right");
    assert_eq!(config.settings.engine.table, TableConfig::default());
    assert_eq!(config.settings.engine.checksums, Checksums::Auto);
    assert_eq!(config.settings.engine.threads, flumen_engine::Threads::default());
    assert_eq!(config.settings.engine.memory_limit, None);
    assert_eq!(config.settings.eve.len(), 1);
    let eve = &config.settings.eve[0];
    assert!(eve.flow && eve.netflow && eve.stats.is_some());
    assert_eq!(eve.filename, PathBuf::from("eve.json"));
    assert!(config.values.warnings.is_empty() && config.values.ignored.is_empty());
}

#[test]
fn empty_file_then_defaults_but_midstream() {
    for text in ["", "%YAML 1.1\n---\n", "# nothing\n"] {
        let config = good(text);
        assert!(!config.settings.engine.table.midstream, "off, as in Suricata, when a file is given");
        let table = TableConfig { midstream: true, ..config.settings.engine.table };
        assert_eq!(table, TableConfig::default());
    }
}

#[test]
fn complete_suricata_yaml_then_accepted() {
    let config = Config::load(Some(&fixture("suricata-shape.yaml")), &[]).unwrap_or_else(|p| panic!("{p}"));
    assert!(config.values.warnings.is_empty(), "{:?}", config.values.warnings);
    let table = &config.settings.engine.table;
    assert_eq!(table.rate_tracking, Some(RateTracking { bytes: 1 << 30, interval_secs: 10 }));
    assert_eq!(TableConfig { rate_tracking: None, midstream: true, ..table.clone() }, TableConfig::default());
    let eve = &config.settings.eve[0];
    assert!(eve.flow && !eve.netflow && eve.stats.is_some(), "only the types that it lists");
    assert_eq!(config.settings.engine.decode.tunnels.teredo, TunnelPorts::only(3544));
    assert_eq!(config.settings.engine.decode.tunnels.vxlan, TunnelPorts::only(4789));
    for ignored in ["app-layer", "outputs.fast", "outputs.eve-log.types.alert", "stream.inline", "threading.autopin"] {
        assert!(config.values.ignored.iter().any(|name| name == ignored), "{ignored}");
    }
    assert!(!config.values.ignored.iter().any(|name| name == "flow" || name == "vlan"));
}

#[test]
fn configurations_of_the_corpus_then_accepted() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if !corpus.is_dir() {
        assert!(std::env::var_os("FLUMEN_REQUIRE_CORPUS").is_none(), "no corpus at {}", corpus.display());
        eprintln!("skipped: no corpus at {}", corpus.display());
        return;
    }
    for (name, midstream) in [("suricata-default.yaml", false), ("suricata-midstream.yaml", true)] {
        let config = Config::load(Some(&corpus.join(name)), &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let settings = &config.settings;
        assert_eq!(settings.engine.table.midstream, midstream);
        assert_eq!(settings.engine.table.memcap, 512 << 20);
        assert_eq!(settings.engine.table.compat, Compat::Suricata);
        assert_eq!(settings.engine.checksums, Checksums::None);
        assert_eq!(settings.eve[0].community_id.map(|id| (id.seed, id.rule)), Some((0, CommunityIdRule::Suricata)));
        assert!(settings.eve[0].flow && settings.eve[0].netflow && settings.eve[0].stats.is_some());
        assert_eq!(settings.engine.decode.tunnels.teredo, TunnelPorts::Any);
        assert!(config.values.warnings.is_empty(), "{:?}", config.values.warnings);
    }
}

#[test]
fn misspelt_keys_then_line_and_nearest_key_of_each() {
    let text = "flow:\n  memcp: 64mb\n  hash-size: 100\nflwo:\n  x: 1\noutputs:\n  - eve-log:\n      enable: yes\n      types:\n        - flows\n  - fsat:\n      enabled: no\nflumen:\n  compact: flumen\n";
    assert_eq!(
        problems(text),
        [
            "2: unknown key 'flow.memcp'; the nearest known key is 'flow.memcap'",
            "4: unknown key 'flwo'; the nearest known key is 'flow'",
            "8: unknown key 'outputs.eve-log.enable'; the nearest known key is 'outputs.eve-log.enabled'",
            "10: unknown key 'outputs.eve-log.types.flows'; the nearest known key is 'outputs.eve-log.types.flow'",
            "11: unknown key 'outputs.fsat'; the nearest known key is 'outputs.fast'",
            "14: unknown key 'flumen.compact'; the nearest known key is 'flumen.compat'",
        ]
    );
}

#[test]
fn bad_values_then_line_key_value_and_what_is_accepted() {
    let text = "flow:\n  memcap: lots\n  emergency-recovery: 0\n  prealloc: [1]\n  hash-size:\n    a: 1\nvlan:\n  use-for-tracking: maybe\nstats: 5\n";
    assert_eq!(
        problems(text),
        [
            "2: 'flow.memcap' cannot be 'lots'; it takes a size of at least 1 bytes such as 64mb, 128 MiB or a number of bytes",
            "3: 'flow.emergency-recovery' cannot be '0'; it takes a whole number from 1 to 100",
            "4: 'flow.prealloc' cannot be a list; it takes a whole number from 0 to 4294967295",
            "6: 'flow.hash-size' cannot be a section; it takes a whole number from 1 to 4294967295",
            "8: 'vlan.use-for-tracking' cannot be 'maybe'; it takes yes or no",
            "9: 'stats' is a section with keys, this is a single value",
        ]
    );
    assert_eq!(problems("- a\n"), ["1: a configuration is made of keys, this is a list"]);
    assert_eq!(problems("flow.memcap: 1mb\n"), ["1: key 'flow.memcap' has a dot in it; keys are nested by sections"]);
    assert_eq!(problems("outputs: yes\n"), ["1: 'outputs' is a list, this is a single value"]);
}

#[test]
fn old_names_with_underscores_then_taken_with_a_warning() {
    let config = good("flow:\n  hash_size: 100\npacket_alert_max: 5\n");
    assert_eq!(config.settings.engine.table.hash_size, 100);
    assert_eq!(
        warnings(&config),
        [
            "2: 'flow.hash_size' is the old name of 'flow.hash-size'",
            "3: 'packet_alert_max' is the old name of 'packet-alert-max'"
        ]
    );
    assert_eq!(
        problems("flow:\n  mem_cap: 1\n"),
        ["2: unknown key 'flow.mem_cap'; the nearest known key is 'flow.memcap'"]
    );
}

#[test]
fn key_without_a_value_then_default_and_a_warning() {
    let config = good("flow:\n  memcap:\n");
    assert_eq!(config.settings.engine.table.memcap, 128 << 20);
    assert_eq!(warnings(&config), ["2: 'flow.memcap' has no value, its default is used"]);
}

#[test]
fn emergency_timeout_above_the_normal_one_then_a_tenth_with_a_warning() {
    let config = good("flow-timeouts:\n  tcp:\n    new: 20\n    emergency-new: 21\n  udp: {established: 50}\n");
    let timeouts = &config.settings.engine.table.timeouts;
    let emergency = |class, state| timeouts.of(class, state, true);
    assert_eq!(emergency(TimeoutClass::Tcp, FlowState::New), Span::from_secs(2));
    assert_eq!(emergency(TimeoutClass::Udp, FlowState::Established), Span::from_secs(5));
    assert_eq!(
        warnings(&config),
        [
            "4: 'flow-timeouts.tcp.emergency-new' is above the normal timeout, 2 is used (a tenth of the normal one)",
            "5: 'flow-timeouts.udp.emergency-established' is above the normal timeout, 5 is used (a tenth of the normal one)",
        ]
    );
    let equal = good("flow-timeouts: {tcp: {new: 20, emergency-new: 20}}\n");
    assert!(equal.values.warnings.is_empty());
}

#[test]
fn settings_given_then_where_they_belong() {
    let text = "flow: {memcap: 10mb, hash-size: 1000, prealloc: 7, managers: 2, recyclers: 3, memcap-policy: drop-flow}\n\
                stream: {midstream: on, async-oneside: yes, bypass: yes, reassembly: {depth: 2kb}}\n\
                vlan: {use-for-tracking: no}\nlivedev: {use-for-tracking: no}\n\
                decoder: {recursion-level: {use-for-tracking: no}, max-layers: 9, vxlan: {enabled: no, ports: [1, 2]}}\n\
                flumen: {compat: suricata, memory-limit: 1gb, active-timeout: 1500ms, hash-seed: 9, extended: yes, threads: 4}\n";
    let config = good(text);
    let engine = &config.settings.engine;
    let table = &engine.table;
    assert_eq!((table.memcap, table.hash_size, table.prealloc), (10 << 20, 1000, 7));
    assert_eq!(table.memcap_policy, MemcapPolicy::DropPacket);
    assert!(table.midstream && table.async_oneside);
    assert!(table.bypass && table.depth == 2048);
    assert!(!table.track_vlan && !table.track_device && !table.track_recursion);
    assert_eq!((table.compat, table.hash_seed), (Compat::Suricata, Some(9)));
    assert_eq!((engine.threads.workers, engine.threads.managers, engine.threads.recyclers), (4, 2, 3));
    assert_eq!((engine.memory_limit, engine.active_timeout), (Some(1 << 30), Some(Span::from_nanos(1_500_000_000))));
    assert!(config.settings.eve[0].extended && !engine.decode.flow_for_every_protocol);
    assert_eq!(engine.decode.max_layers, 9);
    assert_eq!(config.settings.engine.decode.tunnels.vxlan, TunnelPorts::Off);
}

#[test]
fn tunnels_then_part_of_what_makes_a_flow_unless_switched_off_or_compatible() {
    let of = |text: &str| good(text).settings.engine.table.track_tunnel;
    assert_eq!(of("flumen: {tunnel: {use-for-tracking: two-way}}\n"), TrackTunnel::TwoWay);
    let tracked = |text: &str| of(text) == TrackTunnel::Yes;
    assert!(tracked("") && tracked("flumen: {tunnel: {use-for-tracking: yes}}\n"));
    assert!(!tracked("flumen: {tunnel: {use-for-tracking: no}}\n"));
    assert!(!tracked("flumen: {compat: suricata}\n"));
    let wanted = good("flumen: {compat: suricata, tunnel: {use-for-tracking: yes}}\n");
    assert_eq!(wanted.settings.engine.table.track_tunnel, TrackTunnel::No);
    assert_eq!(warnings(&wanted), {
        let text = "is off with 'flumen.compat: suricata', which does not tell tunnels apart";
        [format!("1: 'flumen.tunnel.use-for-tracking' {text}")]
    });
    for quiet in ["flumen: {compat: suricata}\n", "flumen: {compat: suricata, tunnel: {use-for-tracking: no}}\n"] {
        assert!(good(quiet).values.warnings.is_empty());
        assert!(good(quiet).to_yaml().contains("use-for-tracking: no  # "), "what is effective is printed");
    }
    assert!(
        set(&["flumen.compat=suricata"])
            .is_ok_and(|config| config.settings.engine.table.track_tunnel == TrackTunnel::No)
    );
    assert!(set(&[]).is_ok_and(|config| config.settings.engine.table.track_tunnel == TrackTunnel::Yes));
}

#[test]
fn checksum_keys_then_the_stronger_one_decides() {
    let checksums = |text: &str| good(text).settings.engine.checksums;
    assert_eq!(checksums("pcap-file: {checksum-checks: yes}\n"), Checksums::All);
    assert_eq!(checksums("pcap-file: {checksum-checks: no}\n"), Checksums::None);
    assert_eq!(checksums("pcap-file: {checksum-checks: yes}\nstream: {checksum-validation: no}\n"), Checksums::None);
    assert_eq!(checksums("stream: {checksum-validation: no}\ncapture: {checksum-validation: all}\n"), Checksums::All);
    assert_eq!(checksums("capture: {checksum-validation: none}\n"), Checksums::None);
}

#[test]
fn policies_then_own_before_master() {
    let policy = |text: &str| good(text).settings.engine.table.memcap_policy;
    assert_eq!(policy("exception-policy: pass-packet\n"), MemcapPolicy::PassPacket);
    assert_eq!(policy("exception-policy: pass-packet\nflow: {memcap-policy: ignore}\n"), MemcapPolicy::Ignore);
    assert_eq!(policy("exception-policy: auto\n"), MemcapPolicy::Ignore);
    let config = good("stream:\n  midstream: yes\n  midstream-policy: drop-flow\n");
    assert!(!config.settings.engine.table.midstream);
    assert_eq!(warnings(&config).len(), 1);
    assert!(good("stream: {midstream: yes, midstream-policy: pass-flow}\n").settings.engine.table.midstream);
}

#[test]
fn values_that_do_not_go_together_then_refused() {
    assert!(problems("flow:\n  memcap: 1mb\n")[0].starts_with("2: 'flow.memcap' is 1048576 bytes"));
    assert!(problems("flow:\n  hash-size: 4294967295\n")[0].starts_with("2: 'flow.memcap' is"));
    assert_eq!(problems("flow:\n  rate-tracking:\n    bytes: 1mb\n"), {
        ["3: 'flow.rate-tracking.bytes' needs 'flow.rate-tracking.interval' beside it"]
    });
}

#[test]
fn eve_log_to_elsewhere_then_refused_unless_it_is_off() {
    let problem = &problems("outputs:\n- eve-log:\n    filetype: redis\n")[0];
    assert!(problem.starts_with("3: 'outputs.eve-log.filetype' is redis"), "{problem}");
    assert!(good("outputs:\n- eve-log: {enabled: no, filetype: redis}\n").settings.eve.is_empty());
}

#[test]
fn several_eve_logs_then_each_by_itself() {
    let text = "outputs:\n- eve-log: {filename: a.json, types: [flow]}\n- fast\n- eve-log: {filename: b.json, ipv6-compress: yes, types: [netflow: {enabled: yes}, flow: no, stats: {totals: no}]}\n- eve-log: {enabled: no}\n";
    let config = good(text);
    let eve = &config.settings.eve;
    assert_eq!((eve.len(), config.values.eve.len()), (2, 3));
    assert!(eve[0].flow && !eve[0].netflow && eve[0].stats.is_none() && eve[0].ipv6 == Ipv6Form::Expanded);
    assert!(!eve[1].flow && eve[1].netflow && eve[1].ipv6 == Ipv6Form::Compressed);
    assert_eq!(eve[1].stats.map(|stats| (stats.totals, stats.null_values)), Some((false, true)));
    let none = good("outputs:\n- fast\n");
    assert!(none.settings.eve.is_empty());
    assert_eq!(warnings(&none), ["2: 'outputs' has no eve-log, so no records are written with -l"]);
}

fn ports_of(ports: &[u16]) -> TunnelPorts {
    PortList::new(ports).map_or(TunnelPorts::Off, TunnelPorts::Only)
}

#[test]
fn eve_logs_without_end_then_refused_at_the_first_too_many() {
    let logs = |count| format!("outputs:\n{}", "- eve-log\n".repeat(count));
    assert_eq!(good(&logs(64)).settings.eve.len(), 64);
    assert_eq!(problems(&logs(100_000)), ["66: more than 64 EVE logs"]);
}

#[test]
fn port_groups_then_their_ports() {
    let ports =
        |text: &str| good(&format!("{text}decoder: {{vxlan: {{ports: $A}}}}\n")).settings.engine.decode.tunnels.vxlan;
    assert_eq!(ports("vars: {port-groups: {A: 1}}\n"), ports_of(&[1]));
    assert_eq!(ports("vars: {port-groups: {A: '[$B, 3]', B: \"[1, 2]\"}}\n"), ports_of(&[1, 2, 3]));
    assert_eq!(ports("vars: {port-groups: {A: any}}\n"), TunnelPorts::Any);
    let missing = problems("decoder:\n  vxlan: {ports: $A}\n");
    assert!(missing[0].contains("'$A', which is not in vars.port-groups"), "{missing:?}");
    let endless = problems("vars: {port-groups: {A: '[$A, $A]'}}\ndecoder: {vxlan: {ports: $A}}\n");
    assert!(endless[0].contains("too many groups"), "{endless:?}");
}

#[test]
fn set_by_name_and_by_index_then_both_reach_the_log() {
    let text = "outputs:\n- fast: {enabled: yes}\n- eve-log: {filename: a.json, types: [flow]}\n";
    let config =
        with(text, &["outputs.1.eve-log.filename=b.json", "outputs.eve-log.ipv6-compress=yes"]).expect("right");
    assert_eq!(config.settings.eve[0].filename, PathBuf::from("b.json"));
    assert!(
        config.settings.eve[0].ipv6 == Ipv6Form::Compressed
            && config.settings.eve[0].flow
            && !config.settings.eve[0].netflow
    );
    let config = with(text, &["outputs.eve-log.types.netflow=yes", "outputs.eve-log.types.flow=no"]).expect("right");
    assert!(config.settings.eve[0].netflow && !config.settings.eve[0].flow);
    let config = with(text, &["outputs.1.eve-log.types.0.flow=no"]).expect("right");
    assert!(!config.settings.eve[0].flow);
    let refused = |set: &str| with(text, &[set]).expect_err("refused").to_string();
    assert_eq!(refused("outputs.0.eve-log.enabled=no"), {
        "--set: outputs.0.eve-log.enabled: element 0 of 'outputs' is 'fast', not 'eve-log'"
    });
    assert_eq!(refused("outputs.7.eve-log.enabled=no"), {
        "--set: outputs.7.eve-log.enabled: 'outputs' has no element 7"
    });
}

#[test]
fn set_without_a_file_then_the_rest_stays_default() {
    let config = set(&["outputs.1.eve-log.community-id=yes", "flow.memcap=64mb", "flow.memcap=32mb"]).expect("right");
    let eve = &config.settings.eve[0];
    assert!(eve.flow && eve.netflow && eve.stats.is_some(), "defaults are kept");
    assert_eq!(eve.community_id, Some(CommunityId::default()));
    assert_eq!(config.settings.engine.table.memcap, 32 << 20, "the last one counts");
    assert!(config.settings.engine.table.midstream);
    let config = set(&["outputs.eve-log.types.netflow=no"]).expect("right");
    assert!(config.settings.eve[0].flow && !config.settings.eve[0].netflow && config.settings.eve[0].stats.is_some());
    let config = set(&["outputs.eve-log.types=[netflow]", "decoder.vxlan.ports=[1, 2]"]).expect("right");
    assert!(!config.settings.eve[0].flow && config.settings.eve[0].netflow && config.settings.eve[0].stats.is_none());
    assert_eq!(config.settings.engine.decode.tunnels.vxlan, ports_of(&[1, 2]));
    assert!(set(&["outputs.eve-log.enabled=no"]).expect("right").settings.eve.is_empty());
}

#[test]
fn set_that_is_wrong_then_named_as_such() {
    let refused = |text: &str| set(&[text]).expect_err("refused").to_string();
    assert_eq!(refused("flow.memcp=1"), "--set: unknown key 'flow.memcp'; the nearest known key is 'flow.memcap'");
    assert!(refused("flow.prealloc=x").starts_with("--set: 'flow.prealloc' cannot be 'x'"));
    assert!(refused("flow..prealloc=1").contains("not a dotted name"));
    assert!(refused(&format!("{}=1", "a.".repeat(100))).contains("not a dotted name"));
    assert!(refused("flow.prealloc=[1, 2").contains("not YAML"));
    assert!(refused("flow=1").contains("is a section"));
    let endless = "x\n".repeat(500);
    for text in [format!("a.{endless}=["), format!("outputs.0.{endless}=1"), format!("{endless}..=1")] {
        let told = refused(&text);
        assert!(told.lines().count() == 1 && told.len() < 400, "{told}");
    }
    assert!(Override::parse("flow.memcap").is_err() && Override::parse("=1").is_err());
}

#[test]
fn origins_then_file_line_or_option() {
    let text = "flow:\n  prealloc: 9\n";
    let config = with(text, &["flow.managers=2"]).expect("right");
    let yaml = config.to_yaml();
    let line = |key: &str| yaml.lines().find(|line| line.trim_start().starts_with(key)).unwrap_or("").to_owned();
    assert!(line("prealloc:").starts_with("  prealloc: 9  # ") && line("prealloc:").ends_with("suricata.yaml:2"));
    assert_eq!(line("managers:"), "  managers: 2  # --set");
    assert_eq!(line("recyclers:"), "  recyclers: 1  # default");
    assert_eq!(line("# hash-seed"), "  # hash-seed: not set");
}

#[test]
fn effective_configuration_then_accepted_again_and_equal() {
    let shape = std::fs::read_to_string(fixture("suricata-shape.yaml")).expect("fixture");
    let cases = [
        (Config::load(None, &[]).expect("right"), "defaults"),
        (good(&shape), "shape"),
        (good("outputs: []\n"), "no outputs"),
        (good("outputs:\n- eve-log: {types: []}\n- eve-log: {enabled: no, filename: 'a b#c'}\n"), "odd logs"),
        (
            good(
                "threading: {detect-thread-ratio: 1.5, cpu-affinity: [worker-cpu-set: {cpu: [5, 1-3], threads: 2}]}\n",
            ),
            "threads",
        ),
        (good("flumen: {threads: auto}\n"), "threads of the machine"),
        (good("flow-timeouts: {tcp: {new: 1500ms, emergency-new: 5}}\nflumen: {hash-seed: 3}\n"), "odd timeouts"),
    ];
    for (config, name) in cases {
        let yaml = config.to_yaml();
        let again = of(&yaml).unwrap_or_else(|problems| panic!("{name}: {problems}\n{yaml}"));
        assert_eq!(format!("{:?}", again.settings), format!("{:?}", config.settings), "{name}");
        assert!(again.values.warnings.iter().all(|w| w.text.contains("no eve-log")), "{name}: {:?}", warnings(&again));
        let strip = |yaml: &str| {
            yaml.lines().map(|line| line.split("  # ").next().unwrap_or("").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(strip(&again.to_yaml()), strip(&yaml), "{name}");
    }
}

#[test]
fn keys_without_effect_yet_then_told() {
    let config = good("stream: {memcap: 5mb}\nflow: {prealloc: 1}\n");
    assert_eq!(config.values.later, [("stream.memcap", "TCP reassembly")]);
}

/// A small generator of numbers below a bound; the same seed gives the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

#[test]
fn random_edits_and_overrides_of_a_configuration_then_never_a_panic() {
    const BITS: [&str; 20] = [
        "- ",
        ":",
        "\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "&a ",
        "*a",
        "!include x",
        "include: y",
        "~",
        "#",
        "|",
        "\t",
        "0",
        "é",
    ];
    const PARTS: [&str; 12] =
        ["outputs", "eve-log", "types", "flow", "stats", "0", "1", "99", "memcap", "totals", "include", "vars"];
    const VALUES: [&str; 8] = ["", "yes", "[flow, stats]", "{a: 1}", "[", "64mb", "$A", "{eve-log: [x]}"];
    let shape = std::fs::read_to_string(fixture("suricata-shape.yaml")).expect("fixture");
    let runs = std::env::var("FLUMEN_RANDOM_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(300);
    let mut random = Random(0x5eed);
    println!("seed {:#x}, {runs} runs", random.0);
    for _ in 0..runs {
        let mut text: Vec<char> = shape.chars().collect();
        for _ in 0..random.below(6) {
            let at = random.below(text.len());
            let end = if random.below(2) == 0 { (at + random.below(40)).min(text.len()) } else { at };
            text.splice(at..end, random.pick(&BITS).chars());
        }
        let text: String = text.into_iter().collect();
        let Ok((mut root, _)) = yaml::parse(&text, &"t.yaml".into()) else { continue };
        for _ in 0..random.below(4) {
            let parts: Vec<_> = (0..=random.below(5)).map(|_| random.pick(&PARTS)).collect();
            let given = Override { key: parts.join("."), value: random.pick(&VALUES).to_owned(), at: Origin::Set };
            let before = root.clone();
            if overrides::apply(&mut root, &given).is_err() {
                root = before;
            }
        }
        if let Ok(mut values) = resolve::resolve(&root, true) {
            let _ = Settings::of(&mut values, None);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn interfaces_then_own_values_before_those_of_default_before_the_table() {
    let text = "af-packet:\n- {interface: eth0, threads: 2, ring-size: 100}\n- {interface: default, ring-size: 7, block-timeout: 50}\n- {interface: eth1, cluster-id: 9, defrag: no}\n";
    let config = good(text);
    let live = &config.settings.live;
    let [eth0, eth1] = live.interfaces.as_slice() else { panic!("two: {:?}", live.interfaces) };
    assert_eq!((eth0.threads, eth0.ring.ring_size, eth0.ring.block_timeout_ms), (Some(2), Some(100), 50));
    let fanout = eth1.ring.fanout.expect("one");
    assert_eq!((eth1.threads, eth1.ring.ring_size, fanout.id, fanout.defrag), (None, Some(7), Some(9), false));
    let other = live.interface("wlan0");
    assert_eq!((other.ring.interface.as_str(), other.ring.ring_size), ("wlan0", Some(7)));
    let set = [Override::parse("af-packet.0.threads=4").expect("a key and a value")];
    let again = Config::parse(&config.to_yaml(), &set, None).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(again.settings.live.interfaces[0].threads, Some(4));
    assert_eq!(again.settings.live.interfaces[1].ring, eth1.ring);
}

#[cfg(target_os = "linux")]
#[test]
fn interfaces_that_cannot_be_then_refused() {
    let problem = |text: &str| problems(text).remove(0);
    assert!(problem("af-packet:\n- {threads: 2}\n").ends_with("'af-packet.interface' is missing here"));
    assert!(problem("af-packet:\n- {interface: a}\n- {interface: a}\n").ends_with("'a' is here again"));
    assert!(problem("af-packet: {interface: a}\n").contains("'af-packet' is a list"));
    assert!(problem("af-packet:\n- {interface: a, cluster-type: cluster_ebpf}\n").contains("cluster_ebpf"));
    assert!(problem("flumen: {metrics: \"0.0.0.0:80\"}\n").contains("a loopback address"));
    assert!(problem("outputs:\n- eve-log: {rotate-interval: fortnight}\n").contains("rotate-interval"));
    assert_eq!(
        warnings(&good("af-packet:\n- {interface: a, use-mmap: no}\n")),
        ["2: 'af-packet.use-mmap' is always yes"]
    );
}
