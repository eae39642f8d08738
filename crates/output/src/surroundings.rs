//! What an output needs of the world around it: the time of day, and somebody to tell.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use flumen_model::Timestamp;

type Take = dyn Fn(&str) + Send + Sync;

/// Takes lines for whoever runs the sensor. Without one they go nowhere.
#[derive(Clone, Default)]
pub struct Tell(Option<Arc<Take>>);

impl Tell {
    /// Hands each line, which has no line feed, to `take`. It may be called from several threads.
    pub fn new(take: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(take)))
    }
    pub(crate) fn say(&self, line: fmt::Arguments<'_>) {
        if let Some(take) = &self.0 {
            take(&line.to_string());
        }
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tell(_)" } else { "Tell(nobody)" })
    }
}

/// The time of day. Names of files and their rotation follow it, never what is in them.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl WallClock {
    /// A clock that shows what `now` says.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
    pub(crate) fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Default for WallClock {
    /// The clock of the machine.
    fn default() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
        })
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock(_)")
    }
}
