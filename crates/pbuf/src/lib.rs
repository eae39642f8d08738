//! Reference-counted packet buffers.

/// A counted buffer (placeholder until the crate is built).
#[derive(Clone, Debug)]
pub struct Pbuf(std::sync::Arc<[u8]>);

impl Pbuf {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}
