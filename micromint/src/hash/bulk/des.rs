//! The two stages of the search for DES balls combined.
//!
//! The walk ([`super::des_search`]) yields words of lanes that passed the early filter. They are
//! recorded without a branch, turned into inputs when enough have accumulated, and encrypted again
//! one word of lanes at a time; the exact filter decides.

use super::des_kernel::DesKernel;
use super::des_search::{INTERLEAVED, Walk, walked};
use super::{Filter, Found, Search, WalkBits};
use crate::hash::HashName;

/// The number of words of lanes that are recorded before they are turned into inputs.
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
    walk_bits: WalkBits,
    walk: Box<Walk<V>>,
    /// The bases of this walk, padded with zeros if there are too few.
    bases: Vec<u64>,
    /// The walked bits of x after every step: one entry for each step.
    walked: Vec<u64>,
    notes: Vec<Note>,
    noted: usize,
    /// The inputs that the second stage will encrypt, and the base of each.
    survivors: Vec<u64>,
    base_of: Vec<u16>,
    outputs: Vec<u64>,
    /// The balls of this walk, in the order in which they are found.
    passed: Vec<(u16, Found)>,
}

impl<V: DesKernel> DesSearch<V> {
    /// The bases of one walk.
    const BASES: usize = INTERLEAVED * Walk::<V>::LANES;

    pub(super) fn new(
        token: V::Token,
        iv: u64,
        filter: Filter,
        walk_bits: WalkBits,
    ) -> DesSearch<V> {
        DesSearch {
            token,
            iv,
            filter,
            walk_bits,
            walk: Box::new(Walk::new(token, iv, filter)),
            bases: Vec::with_capacity(Self::BASES),
            walked: (0..walk_bits.inputs_per_base()).map(walked).collect(),
            notes: vec![Note::default(); NOTES],
            noted: 0,
            survivors: Vec::new(),
            base_of: Vec::new(),
            outputs: vec![0; Walk::<V>::LANES],
            passed: Vec::new(),
        }
    }

    /// All tosses of the bases of one walk; the first `count` bases are wanted.
    fn walk(&mut self, count: usize) {
        let mut passed = [0; 8 * INTERLEAVED];
        let passed = &mut passed[..V::ELEMENTS * INTERLEAVED];
        V::begin(self.token, &mut self.walk, &self.bases);
        for step in 0..self.walked.len() {
            let flip = (step > 0).then(|| step.trailing_zeros());
            V::step(self.token, &mut self.walk, flip, passed);
            for (word, &lanes) in passed.iter().enumerate() {
                // A word without survivors is overwritten by the next.
                self.notes[self.noted] = Note { lanes, step: step as u16, word: word as u16 };
                self.noted += usize::from(lanes != 0);
            }
            if self.noted + passed.len() > NOTES {
                self.expand_notes(count);
                self.encrypt_survivors(false);
            }
        }
        self.expand_notes(count);
        self.encrypt_survivors(true);
    }

    /// Turns the records into inputs.
    fn expand_notes(&mut self, count: usize) {
        for note in &self.notes[..self.noted] {
            let (set, element) =
                (usize::from(note.word) / V::ELEMENTS, usize::from(note.word) % V::ELEMENTS);
            let mut lanes = note.lanes;
            while lanes != 0 {
                let base = set * Walk::<V>::LANES
                    + lanes.trailing_zeros() as usize * V::ELEMENTS
                    + element;
                if base < count {
                    self.survivors.push(self.bases[base] | self.walked[usize::from(note.step)]);
                    self.base_of.push(base as u16);
                }
                lanes &= lanes - 1;
            }
        }
        self.noted = 0;
    }

    /// The second stage, for whole words of survivors, and with `all` for the rest too.
    fn encrypt_survivors(&mut self, all: bool) {
        let lanes = Walk::<V>::LANES;
        let count = self.survivors.len();
        let done = if all { count } else { count - count % lanes };
        let of = self.survivors[..done].chunks(lanes).zip(self.base_of.chunks(lanes));
        for (survivors, base_of) in of {
            let outputs = &mut self.outputs[..survivors.len()];
            V::encrypt(self.token, self.iv, survivors, outputs);
            for ((&x, &base), &output) in survivors.iter().zip(base_of).zip(&*outputs) {
                if self.filter.passes(output) {
                    self.passed.push((base, Found { x, output }));
                }
            }
        }
        self.survivors.drain(..done);
        self.base_of.drain(..done);
    }

    /// Appends what passed to `found`, in order of base and then of x. The balls are counted
    /// directly into the places of their bases: sorting them would take a tenth of the time at t =
    /// 8.
    fn put_in_order(&mut self, found: &mut Vec<Found>) {
        let start = found.len();
        let mut ends = [0u32; 1024];
        for &(base, _) in &self.passed {
            ends[usize::from(base)] += 1;
        }
        let mut sum = 0;
        for end in &mut ends[..Self::BASES] {
            // The place of the base's first ball; it moves up to that of the next base.
            (*end, sum) = (sum, sum + *end);
        }
        found.resize(start + self.passed.len(), Found { x: 0, output: 0 });
        let places = &mut found[start..];
        for (base, ball) in self.passed.drain(..) {
            places[ends[usize::from(base)] as usize] = ball;
            ends[usize::from(base)] += 1;
        }
        let mut from = 0;
        for &end in &ends[..Self::BASES] {
            let end = end as usize;
            if end - from > 1 {
                places[from..end].sort_unstable_by_key(|ball| ball.x);
            }
            from = end;
        }
    }
}

impl<V: DesKernel> Search for DesSearch<V>
where
    V::Token: Send,
{
    fn search(&mut self, bases: &[u64], found: &mut Vec<Found>) {
        let unwalked = !self.walk_bits.mask(HashName::Des);
        for bases in bases.chunks(Self::BASES) {
            self.bases.clear();
            self.bases.extend(bases.iter().map(|base| base & unwalked));
            self.bases.resize(Self::BASES, 0);
            self.walk(bases.len());
            if !self.passed.is_empty() {
                self.put_in_order(found);
            }
        }
    }
}

/// Encrypts `iv` under the keys `x`, one word of lanes at a time, until fewer than `at_least` are
/// left. Returns how many are done.
pub(super) fn encrypt_many<V: DesKernel>(
    token: V::Token,
    iv: u64,
    x: &[u64],
    y: &mut [u64],
    at_least: usize,
) -> usize {
    let count = x.len().min(y.len());
    let mut done = 0;
    while count - done >= at_least {
        let turn = Walk::<V>::LANES.min(count - done);
        V::encrypt(token, iv, &x[done..done + turn], &mut y[done..done + turn]);
        done += turn;
    }
    done
}
