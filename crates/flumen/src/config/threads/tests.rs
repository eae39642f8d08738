use flumen_engine::{CpuSet, Placement, Sharing};

use crate::config::{Config, Override, Problems, keys};

/// The configuration of a text on a machine with these CPUs.
fn on(cpus: &[usize], text: &str) -> Result<Config, Vec<String>> {
    let parsed = Config::parse(text, &[], Some(cpus.iter().copied().collect()));
    parsed.map_err(|Problems(problems)| problems.iter().map(plain).collect())
}

fn good(text: &str) -> Config {
    on(&[0, 1, 2, 3], text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn problems(text: &str) -> Vec<String> {
    on(&[0, 1, 2, 3], text).expect_err("is refused")
}

fn warnings(config: &Config) -> Vec<String> {
    config.values.warnings.iter().map(plain).collect()
}

/// `LINE: TEXT`.
fn plain(problem: &crate::config::Problem) -> String {
    problem.to_string().replace("suricata.yaml:", "")
}

const OLD_SETS: &str = "threading:
  set-cpu-affinity: yes
  cpu-affinity:
    - management-cpu-set:
        cpu: [ 0 ]
    - receive-cpu-set: {cpu: 1}
    - decode-cpu-set: {cpu: [ 0, 1 ], mode: balanced}
    - detect-cpu-set:
        cpu: [ \"2-3\", 0 ]
        mode: \"exclusive\"
        threads: 4
        prio: {low: [ 0 ], medium: [ \"1-2\" ], high: [ 3 ], default: medium}
";

const NEW_SETS: &str = "threading:
  set-cpu-affinity: yes
  cpu-affinity:
    management-cpu-set:
      cpu: [ 0 ]
    receive-cpu-set:
      cpu: [ 1 ]
      interface-specific-cpu-set:
        - interface: eth0
          cpu: [ 1, 3 ]
    worker-cpu-set:
      cpu: [ \"0\", 2, 3 ]
      threads: 4
      prio: {default: high}
";

#[test]
fn cpu_sets_as_a_list_or_a_section_then_the_same_threads() {
    let cpus = |cpus: &[usize]| cpus.iter().copied().collect::<CpuSet>();
    for text in [OLD_SETS, NEW_SETS] {
        let config = good(text);
        let threads = config.settings.engine.threads;
        assert_eq!((threads.workers, threads.managers, threads.recyclers), (4, 1, 1));
        let affinity = threads.affinity.expect("is on");
        assert_eq!(affinity.management, Placement { cpus: cpus(&[0]), sharing: Sharing::Balanced });
        assert_eq!(affinity.receivers, Placement { cpus: cpus(&[1]), sharing: Sharing::Exclusive });
        assert_eq!(affinity.workers, Placement { cpus: cpus(&[0, 2, 3]), sharing: Sharing::Exclusive });
        assert!(config.values.ignored.contains(&"threading.cpu-affinity.worker-cpu-set.prio".to_owned()));
        assert!(config.values.ignored.iter().all(|name| keys::reason(name).is_some()), "{:?}", config.values.ignored);
    }
    assert_eq!(warnings(&good(OLD_SETS)), {
        ["8: 'threading.cpu-affinity.detect-cpu-set' is the old name of 'threading.cpu-affinity.worker-cpu-set'"]
    });
    assert!(good(NEW_SETS).values.warnings.is_empty());
}

#[test]
fn set_cpu_affinity_off_then_sets_without_effect_on_any_machine() {
    for (text, name) in [(OLD_SETS, "old"), (NEW_SETS, "new")] {
        let text = text.replace("set-cpu-affinity: yes", "set-cpu-affinity: no");
        let config = on(&[0], &text).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert_eq!(config.settings.engine.threads, flumen_engine::Threads::default(), "{name}");
    }
}

#[test]
fn set_without_cpus_then_all_that_the_process_has() {
    let text =
        "threading: {set-cpu-affinity: yes, cpu-affinity: [worker-cpu-set: {mode: balanced}, receive-cpu-set]}\n";
    let affinity = on(&[1, 5], text).expect("right").settings.engine.threads.affinity.expect("is on");
    let all = Placement { cpus: [1, 5].into_iter().collect(), sharing: Sharing::Balanced };
    assert_eq!((affinity.workers, affinity.management), (all, all));
    let elsewhere = Config::parse(text, &[], None).expect("right");
    assert_eq!(elsewhere.settings.engine.threads.affinity, None);
    assert_eq!(warnings(&elsewhere), {
        ["1: 'threading.set-cpu-affinity' has no effect on this system: threads are bound on Linux only"]
    });
}

#[test]
fn number_of_workers_then_option_before_own_key_before_worker_set_before_one() {
    let sets = "threading: {set-cpu-affinity: yes, cpu-affinity: {worker-cpu-set: {cpu: 0, threads: 5}}}\n";
    let own = format!("{sets}flumen: {{threads: 3}}\n");
    let workers = |text: &str, given: &[Override]| {
        let available = [0, 1, 2].into_iter().collect();
        Config::parse(text, given, Some(available)).expect("right").settings.engine.threads.workers
    };
    let option = [Override::option("--threads", "flumen.threads", "2")];
    assert_eq!((workers(&own, &option), workers(&own, &[]), workers(sets, &[]), workers("", &[])), (2, 3, 5, 1));
    assert_eq!(workers(&sets.replace("yes", "no"), &[]), 1, "the set has no effect");
    let auto = "flumen: {threads: auto}\n";
    assert_eq!(workers(auto, &[]), 3, "a worker a CPU");
    assert_eq!(workers(&format!("{auto}threading: {{detect-thread-ratio: 1.5}}\n"), &[]), 4);
    assert_eq!(workers(&format!("{auto}threading: {{detect-thread-ratio: 0.1}}\n"), &[]), 1);
    assert_eq!(workers(&format!("{auto}threading: {{detect-thread-ratio: 1000}}\n"), &[]), 255);
    assert_eq!(workers(&format!("{auto}{sets}"), &[]), 1, "a worker a CPU of the set");
    assert_eq!(workers("threading: {detect-thread-ratio: 1.5}\n", &[]), 1, "not without being asked for");
}

#[test]
fn wrong_cpu_sets_then_line_and_what_would_be_right() {
    let sets = |set: &str| format!("threading:\n  set-cpu-affinity: yes\n  cpu-affinity:\n    - {set}\n");
    let accepted = "it takes 'all', a CPU from 0 to 1023, a range such as 2-3, or a list of them";
    for (cpu, what) in [
        ("[]", "an empty list"),
        ("[3-2]", "'3-2'"),
        ("[1024]", "'1024'"),
        ("[0, b]", "'0,b'"),
        ("-1", "'-1'"),
        ("[[0]]", "a nested list"),
        ("{a: 1}", "a section"),
    ] {
        let expected = format!("4: 'threading.cpu-affinity.worker-cpu-set.cpu' cannot be {what}; {accepted}");
        assert_eq!(problems(&sets(&format!("worker-cpu-set: {{cpu: {cpu}}}"))), [expected]);
    }
    assert_eq!(on(&[0, 1, 2, 5], &sets("worker-cpu-set: {cpu: 1-3}")).map(|_| ()), {
        let text =
            "names CPU 3, but this process has 0-2, 5; with 'threading.set-cpu-affinity' set to no, sets are not used";
        Err(vec![format!("4: 'threading.cpu-affinity.worker-cpu-set.cpu' {text}")])
    });
    let cases = [
        ("worker-cpu-set: {mode: exlusive}", "'exlusive'; it takes one of balanced, exclusive"),
        ("worker-cpu-set: {threads: 0}", "'0'; it takes a whole number from 1 to 255"),
    ];
    for (set, text) in cases {
        let problems = problems(&sets(set));
        assert!(problems.len() == 1 && problems[0].ends_with(text), "{problems:?}");
    }
    assert_eq!(problems(&sets("workers-cpu-set: {cpu: 1}")), {
        let nearest = "threading.cpu-affinity.worker-cpu-set";
        [format!("4: unknown key 'threading.cpu-affinity.workers-cpu-set'; the nearest known key is '{nearest}'")]
    });
    assert_eq!(problems("threading: {detect-thread-ratio: 0}\n"), {
        ["1: 'threading.detect-thread-ratio' cannot be '0'; it takes a number from 0.001 to 1000 such as 1.5"]
    });
    let again = good("threading: {cpu-affinity: [worker-cpu-set: {cpu: 0}, worker-cpu-set: {cpu: 1}]}\n");
    assert_eq!(warnings(&again), {
        ["1: 'threading.cpu-affinity.worker-cpu-set' is here again; its keys replace the earlier ones"]
    });
}

#[test]
fn cpu_sets_by_name_on_the_command_line_then_one_of_them_changes() {
    let old = OLD_SETS.replace("detect", "worker");
    for text in [&old, NEW_SETS] {
        let cpus = ["receive-cpu-set.cpu=0", "worker-cpu-set.cpu=[0]"];
        let given = cpus.map(|cpu| Override::parse(&format!("threading.cpu-affinity.{cpu}")).expect("KEY=VALUE"));
        let values = Config::parse(text, &given, Some([0].into_iter().collect())).expect("right").values;
        let cpu =
            |set: &str| values.root.setting(&format!("threading.cpu-affinity.{set}.cpu")).map(|s| s.value.to_string());
        assert_eq!((cpu("worker-cpu-set"), cpu("receive-cpu-set")), (Some("[0]".into()), Some("[0]".into())));
        assert_eq!(values.root.number("threading.cpu-affinity.worker-cpu-set.threads"), Some(4));
    }
}
