//! The search: a random walk over circuits that all compute the same S-box.
//!
//! A step picks a gate and determines on which of the 64 inputs its value affects an output (its
//! care mask). On those it may be replaced by any node, or by any gate over other nodes, that
//! agrees there: a node saves a gate; a gate is a sideways move that opens new ones; and
//! occasionally a new gate is added first. A move is accepted if the cost does not exceed what the
//! walk allows at that moment.

use crate::circuit::{Circuit, Gate, INPUTS, minterm};
use crate::sbox;

/// The costs of a circuit's parts.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Weights {
    /// Cost of a gate of two inputs.
    #[arg(long, default_value_t = 1.0)]
    two: f64,
    /// Cost of a gate of three inputs; 0 forbids them.
    #[arg(long, default_value_t = 1.5)]
    three: f64,
    /// Cost of every level of depth beyond `--free-depth`.
    #[arg(long, default_value_t = 0.2)]
    depth: f64,
    /// Depth that costs nothing.
    #[arg(long, default_value_t = 9)]
    free_depth: usize,
    /// By how much the cost may exceed the best one during the walk.
    #[arg(long, default_value_t = 2.0)]
    slack: f64,
}

impl Weights {
    /// The cost of a circuit.
    pub(crate) fn cost(&self, circuit: &Circuit) -> f64 {
        let price = circuit.price();
        let deep = price.depth.saturating_sub(self.free_depth) as f64;
        price.two as f64 * self.two + price.three as f64 * self.three + deep * self.depth
    }
}

/// A small generator of pseudo-random numbers (xorshift64*), so that a seed identifies a run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        (value as usize * limit) >> 32
    }
}

/// Walks `steps` steps from `start` and returns the cheapest circuit found; `report` receives the
/// best so far every 4096 steps.
pub(crate) fn walk(
    start: Circuit,
    weights: &Weights,
    seed: u64,
    steps: u64,
    mut report: impl FnMut(u64, &Circuit),
) -> Circuit {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut best = start.clone();
    let mut best_cost = weights.cost(&best);
    let (mut here, mut here_cost) = (start, best_cost);
    for step in 0..steps {
        if step % 4096 == 0 {
            report(step, &best);
        }
        // The allowance repeatedly falls from the slack to nothing; every eighth time the walk
        // returns to the best circuit.
        let phase = step % 100_000;
        if phase == 0 && step % 800_000 == 0 {
            (here, here_cost) = (best.clone(), best_cost);
        }
        let Some(next) = neighbour(&here, weights, &mut random) else { continue };
        let cost = weights.cost(&next);
        let allowed = best_cost + weights.slack * (1.0 - phase as f64 / 100_000.0);
        if cost <= here_cost || cost <= allowed {
            (here, here_cost) = (next, cost);
        }
        if here_cost <= best_cost {
            (best, best_cost) = (here.clone(), here_cost);
        }
    }
    best
}

/// A circuit one move away, or `None` if the move that was drawn is impossible.
fn neighbour(circuit: &Circuit, weights: &Weights, random: &mut Random) -> Option<Circuit> {
    let gate = random.below(circuit.gates.len());
    let nodes = circuit.nodes();
    let care = care_mask(circuit, gate, &nodes);
    let value = nodes[INPUTS + gate];
    let free: Vec<usize> = non_descendants(circuit, gate);
    // A node that agrees wherever it matters replaces the gate.
    for &node in &free {
        for inverted in [false, true] {
            if (nodes[node] ^ value ^ if inverted { !0 } else { 0 }) & care == 0 {
                return Some(replace(circuit, gate, &[], buffer(node, inverted)));
            }
        }
    }
    let mut candidates = free.clone();
    let mut values = nodes.clone();
    let mut fresh = Vec::new();
    if random.below(4) == 0 {
        // A new gate is placed directly before the replaced one, so its inputs must be too.
        let extra = random_gate(&free, weights, random);
        values.push(extra.value(&nodes));
        candidates.push(nodes.len());
        fresh.push(extra);
    }
    for _ in 0..60 {
        let pick = |random: &mut Random| candidates[random.below(candidates.len())];
        let (a, b) = (pick(random), pick(random));
        let c = if weights.three == 0.0 || random.below(3) == 0 { a } else { pick(random) };
        let Some(table) = fit([values[a], values[b], values[c]], value, care, random) else {
            continue;
        };
        let new = Gate { inputs: [a, b, c], table };
        if new != circuit.gates[gate] && new.support().len() >= 2 {
            return Some(replace(circuit, gate, &fresh, new));
        }
    }
    None
}

/// A gate that is `node` or its complement.
fn buffer(node: usize, inverted: bool) -> Gate {
    Gate { inputs: [node; 3], table: if inverted { 0x55 } else { 0xaa } }
}

/// A random gate over `nodes`.
fn random_gate(nodes: &[usize], weights: &Weights, random: &mut Random) -> Gate {
    let mut pick = || nodes[random.below(nodes.len())];
    let (a, b) = (pick(), pick());
    let c = if weights.three == 0.0 { a } else { pick() };
    Gate { inputs: [a, b, c], table: random.below(256) as u8 }
}

/// The inputs on which the value of gate `gate` affects an output.
fn care_mask(circuit: &Circuit, gate: usize, nodes: &[u64]) -> u64 {
    let mut flipped = nodes[..=INPUTS + gate].to_vec();
    flipped[INPUTS + gate] = !flipped[INPUTS + gate];
    for gate in &circuit.gates[gate + 1..] {
        flipped.push(gate.value(&flipped));
    }
    circuit.outputs.iter().fold(0, |care, &(node, _)| care | (nodes[node] ^ flipped[node]))
}

/// The nodes that do not depend on gate `gate`.
fn non_descendants(circuit: &Circuit, gate: usize) -> Vec<usize> {
    let mut depends = vec![false; INPUTS + circuit.gates.len()];
    depends[INPUTS + gate] = true;
    for n in gate + 1..circuit.gates.len() {
        depends[INPUTS + n] = circuit.gates[n].inputs.iter().any(|&node| depends[node]);
    }
    (0..depends.len()).filter(|&node| !depends[node]).collect()
}

/// A table over three nodes that agrees with `value` where `care` is set, or `None`. Rows that do
/// not matter are drawn at random, half of the time so that fewer inputs have an effect.
fn fit(inputs: [u64; 3], value: u64, care: u64, random: &mut Random) -> Option<u8> {
    let [a, b, c] = inputs;
    let mut table = random.below(256) as u8;
    for row in 0..8 {
        let rows = minterm(row, a, b, c) & care;
        match (rows & value != 0, rows & !value != 0) {
            (true, true) => return None,
            (true, false) => table |= 1 << row,
            (false, true) => table &= !(1 << row),
            (false, false) => {}
        }
    }
    Some(table)
}

/// The circuit with `gate` replaced by `new`, which may use the nodes of `fresh` (numbered after
/// all the others) and any that do not depend on the gate; sorted again and pruned.
fn replace(circuit: &Circuit, gate: usize, fresh: &[Gate], new: Gate) -> Circuit {
    let count = INPUTS + circuit.gates.len();
    let mut gates: Vec<Gate> = circuit.gates.iter().chain(fresh).copied().collect();
    gates[gate] = new;
    let mut renamed: Vec<Option<usize>> = (0..INPUTS).map(Some).collect();
    renamed.resize(count + fresh.len(), None);
    let mut sorted = Vec::with_capacity(gates.len());
    for n in 0..gates.len() {
        place(n, &gates, &mut renamed, &mut sorted);
    }
    // The readers of a buffer absorb its complement.
    let outputs = circuit.outputs.map(|(node, inverted)| (renamed[node].unwrap_or(0), inverted));
    let mut next = Circuit { number: circuit.number, gates: sorted, outputs };
    dissolve_buffers(&mut next);
    next.prune();
    next
}

/// Appends gate `n` after the gates that it needs.
fn place(n: usize, gates: &[Gate], renamed: &mut [Option<usize>], sorted: &mut Vec<Gate>) {
    if renamed[INPUTS + n].is_some() {
        return;
    }
    for node in gates[n].inputs {
        if node >= INPUTS {
            place(node - INPUTS, gates, renamed, sorted);
        }
    }
    let inputs = gates[n].inputs.map(|node| renamed[node].unwrap_or(0));
    sorted.push(Gate { inputs, table: gates[n].table });
    renamed[INPUTS + n] = Some(INPUTS + sorted.len() - 1);
}

/// Lets the readers of gates with a single input read that input.
fn dissolve_buffers(circuit: &mut Circuit) {
    let mut alias: Vec<(usize, bool)> = (0..INPUTS).map(|node| (node, false)).collect();
    for n in 0..circuit.gates.len() {
        let gate = circuit.gates[n];
        let flip = (0..3).fold(0, |flip, i| flip | usize::from(alias[gate.inputs[i]].1) << i);
        let table = (0..8).fold(0, |table, row| table | u8::from(gate.bit(row ^ flip)) << row);
        let gate = Gate { inputs: gate.inputs.map(|node| alias[node].0), table };
        circuit.gates[n] = gate;
        alias.push(match gate.support()[..] {
            [node] => (node, (0..3).all(|i| gate.inputs[i] != node) || !gate.bit(7)),
            _ => (INPUTS + n, false),
        });
    }
    circuit.outputs =
        circuit.outputs.map(|(node, inverted)| (alias[node].0, inverted != alias[node].1));
}

/// An initial circuit: for every output a tree of multiplexers over the input bits.
pub(crate) fn multiplexers(number: usize) -> Circuit {
    let mut gates = Vec::new();
    let outputs =
        sbox::outputs(number).map(|table| (multiplexer(table, INPUTS - 1, &mut gates), false));
    let mut circuit = Circuit { number, gates, outputs };
    dissolve_buffers(&mut circuit);
    circuit.prune();
    circuit
}

/// Appends gates for the function `table` of the input bits 0 to `bit`; returns its node.
fn multiplexer(table: u64, bit: usize, gates: &mut Vec<Gate>) -> usize {
    let node = |gates: &Vec<Gate>| INPUTS + gates.len() - 1;
    if bit == 1 {
        // A function of two bits is one gate.
        gates.push(Gate {
            inputs: [0, 1, 1],
            table: (table as u8 & 3) | (table as u8 >> 2 & 3) << 6,
        });
        return node(gates);
    }
    let low = multiplexer(table, bit - 1, gates);
    let high = multiplexer(table >> (1 << bit), bit - 1, gates);
    // c chooses between a and b: rows with c = 0 give a, rows with c = 1 give b.
    gates.push(Gate { inputs: [low, high, bit], table: 0xca });
    node(gates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights() -> Weights {
        Weights { two: 1.0, three: 1.5, depth: 0.2, free_depth: 9, slack: 2.0 }
    }

    #[test]
    fn multiplexer_trees_are_right() {
        for number in 1..=8 {
            assert_eq!(multiplexers(number).check(), Ok(()), "S-box {number}");
        }
    }

    #[test]
    fn every_move_keeps_the_function() {
        let mut random = Random(7);
        let mut circuit = multiplexers(5);
        let mut moves = 0;
        for _ in 0..3000 {
            if let Some(next) = neighbour(&circuit, &weights(), &mut random) {
                assert_eq!(next.check(), Ok(()));
                circuit = next;
                moves += 1;
            }
        }
        assert!(moves > 300, "only {moves} moves were possible");
    }

    #[test]
    fn a_seed_names_a_run_and_the_walk_saves_gates() {
        let run = |seed| walk(multiplexers(4), &weights(), seed, 20_000, |_, _| {});
        let found = run(3);
        assert_eq!(found, run(3));
        assert_eq!(found.check(), Ok(()));
        assert!(
            weights().cost(&found) < 0.7 * weights().cost(&multiplexers(4)),
            "{:?}",
            found.price()
        );
    }
}
