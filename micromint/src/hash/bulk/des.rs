//! The two stages of the search for DES balls put together.
//!
//! The walk ([`super::des_search`]) yields words of lanes that passed the early filter. They are noted
//! without a branch, turned into inputs when many have come together, and encrypted again a whole
//! word of lanes at a time; the exact filter decides.

use super::des_kernel::DesKernel;
use super::des_search::{BATCHES, Walk, walked};
use super::{Filter, Found, Search, TOSSES_PER_BASE};

/// Words of lanes noted before they are turned into inputs.
const NOTES: usize = 1024;

/// A word of 64 lanes of which some survived.
#[derive(Clone, Copy, Default)]
struct Note {
    lanes: u64,
    step: u16,
    word: u16,
}

/// The search on one level.
pub(super) struct DesSearch<V: DesKernel> {
    token: V::Token,
    iv: u64,
    filter: Filter,
    walk: Box<Walk<V>>,
    /// The bases of this walk, filled up with copies if there are too few.
    bases: Vec<u64>,
    /// The walked bits of x after every step.
    walked: Vec<u64>,
    notes: Vec<Note>,
    noted: usize,
    survivors: Vec<u64>,
    outputs: Vec<u64>,
}

impl<V: DesKernel> DesSearch<V> {
    const BASES: usize = BATCHES * Walk::<V>::LANES;

    pub(super) fn new(token: V::Token, iv: u64, filter: Filter) -> DesSearch<V> {
        DesSearch {
            token,
            iv,
            filter,
            walk: Box::new(Walk::new(token, iv, filter)),
            bases: Vec::with_capacity(Self::BASES),
            walked: (0..TOSSES_PER_BASE).map(walked).collect(),
            notes: vec![Note::default(); NOTES],
            noted: 0,
            survivors: Vec::with_capacity(64 * NOTES),
            outputs: vec![0; Walk::<V>::LANES],
        }
    }

    /// All 256 tosses of the bases of one walk; `count` of them are wanted.
    fn walk(&mut self, count: usize, found: &mut Vec<Found>) {
        let mut passed = [0; 8 * BATCHES];
        let passed = &mut passed[..V::ELEMENTS * BATCHES];
        V::begin(self.token, &mut self.walk, &self.bases);
        for step in 0..TOSSES_PER_BASE {
            let flip = (step > 0).then(|| step.trailing_zeros());
            V::step(self.token, &mut self.walk, flip, passed);
            for (word, &lanes) in passed.iter().enumerate() {
                // A word without survivors is overwritten by the next.
                self.notes[self.noted] = Note { lanes, step: step as u16, word: word as u16 };
                self.noted += usize::from(lanes != 0);
            }
            if self.noted + passed.len() > NOTES {
                self.expand_notes(count);
                self.encrypt_survivors(false, found);
            }
        }
        self.expand_notes(count);
        self.encrypt_survivors(false, found);
    }

    /// Turns the notes into inputs.
    fn expand_notes(&mut self, count: usize) {
        for note in &self.notes[..self.noted] {
            let (batch, element) =
                (usize::from(note.word) / V::ELEMENTS, usize::from(note.word) % V::ELEMENTS);
            let mut lanes = note.lanes;
            while lanes != 0 {
                let base = batch * Walk::<V>::LANES + lanes.trailing_zeros() as usize * V::ELEMENTS + element;
                if base < count {
                    self.survivors.push(self.bases[base] | self.walked[usize::from(note.step)]);
                }
                lanes &= lanes - 1;
            }
        }
        self.noted = 0;
    }

    /// The second stage, for whole words of survivors, and with `all` for the rest as well.
    fn encrypt_survivors(&mut self, all: bool, found: &mut Vec<Found>) {
        let mut left = self.survivors.len();
        while left >= Walk::<V>::LANES || (all && left > 0) {
            let from = left.saturating_sub(Walk::<V>::LANES);
            let count = left - from;
            // A short rest is filled up with zeros, whose outputs are dropped.
            self.survivors.resize(from + Walk::<V>::LANES, 0);
            V::encrypt(self.token, self.iv, &self.survivors[from..], &mut self.outputs);
            for (&x, &output) in self.survivors[from..].iter().zip(&self.outputs).take(count) {
                if self.filter.passes(output) {
                    found.push(Found { x, output });
                }
            }
            self.survivors.truncate(from);
            left = from;
        }
    }
}

impl<V: DesKernel> Search for DesSearch<V>
where
    V::Token: Send,
{
    fn search(&mut self, bases: &[u64], found: &mut Vec<Found>) {
        for bases in bases.chunks(Self::BASES) {
            self.bases.clear();
            self.bases
                .extend(bases.iter().map(|base| base & !super::walked_bits(crate::hash::HashName::Des)));
            self.bases.resize(Self::BASES, 0);
            self.walk(bases.len(), found);
        }
        self.encrypt_survivors(true, found);
    }
}
