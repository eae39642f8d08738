//! Several sinks at once.

mod support;

use flumen_model::FlowRecord;
use flumen_model::sink::{RecordSink, SinkError, Stats};
use flumen_output::{EveConfig, EveWriter, StatsLog, StatsLogConfig, Tee};
use support::record;

/// Counts what it is given, and fails as told.
#[derive(Default)]
struct Probe {
    flows: usize,
    finished: bool,
    fail: Option<fn() -> SinkError>,
}

impl RecordSink for Probe {
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        self.flows += records.len();
        self.fail.map_or(Ok(()), |error| Err(error()))
    }
    fn stats(&mut self, _: &Stats) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        self.finished = true;
        Ok(())
    }
}

fn full() -> SinkError {
    SinkError::Io { target: "disk".to_owned(), lost: 2, source: std::io::ErrorKind::StorageFull.into() }
}

fn probe(fail: Option<fn() -> SinkError>) -> Probe {
    Probe { fail, ..Probe::default() }
}

#[test]
fn one_sink_fails_then_the_others_are_served_and_the_error_is_told() {
    let (mut bad, mut worse, mut good) = (probe(Some(full)), probe(Some(full)), probe(None));
    let mut tee = Tee::new().with(&mut bad).with(&mut worse).with(&mut good);
    let records = [record("10.0.0.1", "10.0.0.2"), record("10.0.0.1", "10.0.0.2")];
    for _ in 0..2 {
        assert!(matches!(tee.flows(&records), Err(SinkError::Io { lost: 4, .. })));
    }
    assert!(tee.finish().is_ok());
    drop(tee);
    assert_eq!((bad.flows, good.flows, bad.finished, good.finished), (4, 4, true, true));
}

#[test]
fn sinks_of_statistics_alone_then_no_flows_are_wanted() {
    let eve = |flow, netflow| EveWriter::new(Vec::new(), "memory", EveConfig { flow, netflow, ..EveConfig::default() });
    let log = || StatsLog::new(Vec::new(), "memory", StatsLogConfig::default());
    assert!(!Tee::new().wants_flows(), "there is nobody who could");
    assert!(!Tee::new().with(eve(false, false)).with(log()).wants_flows());
    assert!(Tee::new().with(log()).with(eve(true, false)).wants_flows());
    assert!(Tee::new().with(eve(false, true)).wants_flows());
    assert!(Tee::new().with(probe(None)).wants_flows(), "who does not say");
}

#[test]
fn reader_of_one_sink_gone_then_the_run_goes_on_until_none_is_left() {
    let (mut gone, mut good) = (probe(Some(|| SinkError::Closed)), probe(None));
    let mut tee = Tee::new().with(&mut gone).with(&mut good);
    let records = [record("10.0.0.1", "10.0.0.2")];
    assert!(tee.flows(&records).is_ok() && tee.flows(&records).is_ok() && tee.finish().is_ok());
    drop(tee);
    assert_eq!((gone.flows, good.flows, gone.finished), (1, 2, false));

    let mut alone = Tee::new().with(&mut gone);
    assert!(matches!(alone.flows(&records), Err(SinkError::Closed)));
    assert!(matches!(alone.flows(&records), Err(SinkError::Closed)));
}
