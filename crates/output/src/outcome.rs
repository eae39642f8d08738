//! What becomes of two failures in one call.

use flumen_model::sink::SinkError;

/// The outcome of two writes: losses add up, and a reader that went away outweighs them.
pub(crate) fn both(first: Result<(), SinkError>, second: Result<(), SinkError>) -> Result<(), SinkError> {
    match (first, second) {
        (Ok(()), other) | (other, Ok(())) => other,
        (Err(SinkError::Closed), _) | (_, Err(SinkError::Closed)) => Err(SinkError::Closed),
        (Err(SinkError::Io { target, lost, source }), Err(SinkError::Io { lost: more, .. })) => {
            Err(SinkError::Io { target, lost: lost + more, source })
        }
    }
}
