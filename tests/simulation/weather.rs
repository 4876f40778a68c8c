//! How bad the network is: between calm, where only the order of things is random, and a storm.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

#[derive(Clone, Debug)]
pub struct Weather {
    /// How many of a thousand calls meet each fault.
    per_mille: u32,
    /// When nothing arrives at all.
    outage: Range<Duration>,
}

impl Weather {
    /// Nothing goes wrong, and nothing takes time.
    pub const CALM: Self = Self { per_mille: 0, outage: Duration::ZERO..Duration::ZERO };

    /// Every tenth call meets each fault.
    pub const STORM: Self = Self { per_mille: 100, ..Self::CALM };

    pub fn random(rng: &mut Rng) -> Self {
        let per_mille = [0, 2, 10, 30, 60, 120][rng.usize(..6)];
        let begins = Duration::from_millis(rng.u64(..20_000));
        let outage =
            if rng.u8(..8) == 0 { begins..begins + Duration::from_millis(rng.u64(..8_000)) } else { begins..begins };
        Self { per_mille, outage }
    }

    pub fn is_out(&self, at: Duration) -> bool {
        self.outage.contains(&at)
    }

    pub fn strikes(&self, rng: &mut Rng) -> bool {
        rng.u32(..1_000) < self.per_mille
    }

    /// How long a message takes: mostly milliseconds, at times longer than anyone waits.
    pub fn delay(&self, rng: &mut Rng) -> Duration {
        let longest = if self.strikes(rng) { [100, 1_500, 30_000][rng.usize(..3)] } else { 12 };
        Duration::from_millis(rng.u64(1..longest))
    }
}
