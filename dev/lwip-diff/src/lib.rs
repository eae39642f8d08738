//! Nothing but tests: `tests/differential` runs `flumen-pbuf` and the distribution's lwIP side by side.
