//! What an attack gained, whom it harmed, and what it cost.

use std::fmt;

/// The result of an attack.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What was tried and what happened, in words.
    pub(crate) tried: String,
    /// Coins that went to someone to whom they are not due, or that an honest user or vendor lost.
    pub(crate) stolen: u64,
    /// Innocent users who were named as offenders, or refused at an honest vendor.
    pub(crate) blamed: u64,
    /// Coins for which honest vendors gave pages to members of the coalition and are not paid.
    pub(crate) unpaid: u64,
    /// How many of these the design allows ([`Report::allow_unpaid`]).
    unpaid_max: Option<u64>,
    /// The hashes that the coalition computed.
    pub(crate) cost: u64,
    /// What did not happen as it should.
    faults: Vec<String>,
}

/// The sums over all attacks.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    stolen: u64,
    blamed: u64,
    faults: u64,
}

impl Report {
    /// A report that begins with this cost.
    pub(crate) fn with_cost(cost: u64) -> Report {
        Report { cost, ..Report::default() }
    }

    /// Records a fault unless `holds`.
    pub(crate) fn expect(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }

    /// States how many coins' worth of pages honest vendors may lose. More counts as stolen.
    pub(crate) fn allow_unpaid(&mut self, most: u64) {
        self.unpaid_max = Some(most);
    }

    fn stolen(&self) -> u64 {
        self.stolen + self.unpaid.saturating_sub(self.unpaid_max.unwrap_or(0))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stolen {}, blamed {}, cost {} hashes", self.stolen(), self.blamed, self.cost)?;
        if let Some(most) = self.unpaid_max {
            write!(f, ", bounded: {} of at most {most} unpaid", self.unpaid)?;
        }
        write!(f, ": {}", self.tried)?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n    FAULT: {fault}"))
    }
}

impl Totals {
    /// Adds the result of an attack.
    pub(crate) fn add(&mut self, report: &Report) {
        self.stolen += report.stolen();
        self.blamed += report.blamed;
        self.faults += report.faults.len() as u64;
    }

    /// Whether nothing was stolen, nobody was blamed and nothing unexpected happened.
    pub(crate) fn are_good(&self) -> bool {
        (self.stolen, self.blamed, self.faults) == (0, 0, 0)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { stolen, blamed, faults } = self;
        write!(
            f,
            "total: stolen {stolen}, innocent blamed or refused elsewhere {blamed}, faults {faults}"
        )
    }
}
