//! What a fuzzer's bytes are read as: decisions, numbers, addresses out of a few.

/// Decisions, one byte after another; zeros when there are no more.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub(super) fn long(&mut self) -> u32 {
        u32::from(self.word()) << 16 | u32::from(self.word())
    }

    /// True for one byte in `whole`; never when there are no more.
    pub(super) fn one_in(&mut self, whole: u8) -> bool {
        self.byte() % whole == whole - 1
    }

    /// As many as there are of `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// At most `max` bytes.
    pub(super) fn some(&mut self, max: usize) -> &'a [u8] {
        let len = usize::from(self.byte()) % (max + 1);
        self.take(len)
    }

    pub(super) fn optional_word(&mut self) -> Option<u16> {
        self.one_in(2).then(|| self.word())
    }

    pub(super) fn optional_long(&mut self) -> Option<u32> {
        self.one_in(2).then(|| self.long())
    }

    pub(super) fn address(&mut self) -> [u8; 4] {
        [10, 0, 0, self.byte() % 4]
    }

    pub(super) fn address6(&mut self) -> [u8; 16] {
        let mut address = [0; 16];
        address[0] = 0x20;
        address[15] = self.byte() % 4;
        address
    }

    pub(super) fn mac(&mut self) -> [u8; 6] {
        [2, 0, 0, 0, 0, self.byte() % 4]
    }
}
