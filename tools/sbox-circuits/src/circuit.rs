//! A Boolean circuit for one S-box: its text form, its value on all 64 inputs, and its cost.
//!
//! Nodes 0 to 5 are the input bits, 0 the leftmost; node 6 + n is gate n. Every gate has three
//! inputs among the nodes before it and a truth table: bit (a | b<<1 | c<<2) is its value.

use crate::sbox;

/// The number of input bits of an S-box.
pub(crate) const INPUTS: usize = 6;

/// A gate. A gate that depends on only two inputs repeats one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) inputs: [usize; 3],
    pub(crate) table: u8,
}

impl Gate {
    /// Its value for 64 assignments at a time.
    pub(crate) fn value(self, nodes: &[u64]) -> u64 {
        let [a, b, c] = self.inputs.map(|node| nodes[node]);
        (0..8u8)
            .filter(|row| self.table >> row & 1 == 1)
            .fold(0, |value, row| value | minterm(row, a, b, c))
    }

    /// The inputs that it depends on, without repetition.
    pub(crate) fn support(self) -> Vec<usize> {
        let mut support = Vec::with_capacity(3);
        for node in self.inputs {
            if support.contains(&node) {
                continue;
            }
            // Inputs that are the same node change together.
            let mask = (0..3).filter(|&i| self.inputs[i] == node).fold(0, |mask, i| mask | 1 << i);
            let possible = (0..8usize).filter(|row| self.is_consistent(*row));
            if possible.into_iter().any(|row| self.bit(row) != self.bit(row ^ mask)) {
                support.push(node);
            }
        }
        support
    }

    /// Whether a row of the table can occur: equal inputs have equal values.
    fn is_consistent(self, row: usize) -> bool {
        (0..3).all(|i| {
            (0..i).all(|j| self.inputs[i] != self.inputs[j] || (row >> i ^ row >> j) & 1 == 0)
        })
    }

    /// One bit of the table.
    pub(crate) fn bit(self, row: usize) -> bool {
        self.table >> row & 1 == 1
    }
}

/// Where a, b and c have the values of the table row `row`.
pub(crate) fn minterm(row: u8, a: u64, b: u64, c: u64) -> u64 {
    let pick = |i: u8, value: u64| if row >> i & 1 == 1 { value } else { !value };
    pick(0, a) & pick(1, b) & pick(2, c)
}

/// A circuit for one S-box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Circuit {
    /// Which S-box, 1 to 8.
    pub(crate) number: usize,
    pub(crate) gates: Vec<Gate>,
    /// For each output bit, the leftmost first: the node, and whether the output is its complement.
    pub(crate) outputs: [(usize, bool); 4],
}

/// The cost of a circuit: the number of gates with two and three inputs, and the longest path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) two: usize,
    pub(crate) three: usize,
    pub(crate) depth: usize,
}

/// The text is not a circuit for its S-box.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CircuitError {
    #[error(
        "line {line}: expected \"sbox N ...\", \"g ID A B C TABLE\" or \"o BIT NODE INVERTED\", found {found:?}"
    )]
    Syntax { line: usize, found: String },
    #[error("line {line}: expected nodes below {limit}, found {found}")]
    Node { line: usize, limit: usize, found: usize },
    #[error("expected outputs 0 to 3, found only {found}")]
    Outputs { found: usize },
    #[error("S-box {number}: expected output bit {bit} to be {expected:016x}, found {found:016x}")]
    Wrong { number: usize, bit: usize, expected: u64, found: u64 },
}

impl Circuit {
    /// Parses the text form and checks the circuit on all 64 inputs.
    pub(crate) fn parse(text: &str) -> Result<Circuit, CircuitError> {
        let mut circuit = Circuit { number: 0, gates: Vec::new(), outputs: [(0, false); 4] };
        let mut outputs = 0;
        for (index, line) in text.lines().enumerate() {
            let syntax =
                || CircuitError::Syntax { line: index + 1, found: line.chars().take(80).collect() };
            let words: Vec<&str> = line.split_whitespace().collect();
            let number =
                |i: usize| words.get(i).and_then(|w| w.parse::<usize>().ok()).ok_or_else(syntax);
            let known = |i: usize, limit: usize| match number(i)? {
                node if node < limit => Ok(node),
                found => Err(CircuitError::Node { line: index + 1, limit, found }),
            };
            let nodes = INPUTS + circuit.gates.len();
            match words.first() {
                None => {}
                Some(&"sbox") => {
                    circuit.number =
                        number(1).ok().filter(|n| (1..=8).contains(n)).ok_or_else(syntax)?
                }
                Some(&"g") if number(1)? == nodes => {
                    let table = words
                        .get(5)
                        .and_then(|w| u8::from_str_radix(w, 16).ok())
                        .ok_or_else(syntax)?;
                    let inputs = [known(2, nodes)?, known(3, nodes)?, known(4, nodes)?];
                    circuit.gates.push(Gate { inputs, table });
                }
                Some(&"o") if number(1)? < 4 => {
                    circuit.outputs[number(1)?] = (known(2, nodes)?, number(3)? == 1);
                    outputs += 1;
                }
                Some(_) => return Err(syntax()),
            }
        }
        if outputs != 4 || circuit.number == 0 {
            return Err(CircuitError::Outputs { found: outputs });
        }
        circuit.check()?;
        Ok(circuit)
    }

    /// The text form.
    pub(crate) fn to_text(&self) -> String {
        let price = self.price();
        let mut text = format!(
            "sbox {} gates {} two {} three {} depth {}\n",
            self.number,
            self.gates.len(),
            price.two,
            price.three,
            price.depth
        );
        for (n, gate) in self.gates.iter().enumerate() {
            let [a, b, c] = gate.inputs;
            text += &format!("g {} {a} {b} {c} {:x}\n", INPUTS + n, gate.table);
        }
        for (bit, (node, inverted)) in self.outputs.iter().enumerate() {
            text += &format!("o {bit} {node} {}\n", u8::from(*inverted));
        }
        text
    }

    /// The truth tables of all nodes.
    pub(crate) fn nodes(&self) -> Vec<u64> {
        let mut nodes: Vec<u64> = (0..INPUTS).map(sbox::input).collect();
        for gate in &self.gates {
            nodes.push(gate.value(&nodes));
        }
        nodes
    }

    /// Whether all 64 inputs give what FIPS 46-3 specifies.
    pub(crate) fn check(&self) -> Result<(), CircuitError> {
        let nodes = self.nodes();
        for (bit, (expected, (node, inverted))) in
            sbox::outputs(self.number).into_iter().zip(self.outputs).enumerate()
        {
            let found = if inverted { !nodes[node] } else { nodes[node] };
            if found != expected {
                return Err(CircuitError::Wrong { number: self.number, bit, expected, found });
            }
        }
        Ok(())
    }

    /// Its gates by number of inputs, and its depth.
    pub(crate) fn price(&self) -> Price {
        let mut depth = vec![0; INPUTS];
        let mut price = Price { two: 0, three: 0, depth: 0 };
        for gate in &self.gates {
            let support = gate.support();
            if support.len() == 3 {
                price.three += 1
            } else {
                price.two += 1
            }
            depth.push(1 + support.iter().map(|&node| depth[node]).max().unwrap_or(0));
        }
        price.depth = self.outputs.iter().map(|&(node, _)| depth[node]).max().unwrap_or(0);
        price
    }

    /// The same gates in the order in which a machine would execute them that starts one gate per
    /// clock and finishes it two clocks later; gates with the longest path to an output come first.
    pub(crate) fn in_order_of_need(&self) -> Circuit {
        let count = INPUTS + self.gates.len();
        let mut way = vec![0; count];
        for (n, gate) in self.gates.iter().enumerate().rev() {
            for node in gate.inputs {
                way[node] = way[node].max(way[INPUTS + n] + 1);
            }
        }
        let mut done_at = vec![Some(0); INPUTS];
        done_at.resize(count, None);
        let mut order = Vec::new();
        for clock in 0.. {
            if order.len() == self.gates.len() {
                break;
            }
            let is_ready = |n: &usize| {
                let inputs = self.gates[*n].inputs;
                done_at[INPUTS + n].is_none()
                    && inputs.iter().all(|&i| done_at[i].is_some_and(|at| at <= clock))
            };
            let ready = (0..self.gates.len()).filter(is_ready);
            // The first of those with the longest path.
            if let Some(next) = ready.min_by_key(|&n| (std::cmp::Reverse(way[INPUTS + n]), n)) {
                done_at[INPUTS + next] = Some(clock + 2);
                order.push(next);
            }
        }
        let mut renamed: Vec<usize> = (0..count).collect();
        for (place, &n) in order.iter().enumerate() {
            renamed[INPUTS + n] = INPUTS + place;
        }
        let gate =
            |&n: &usize| Gate { inputs: self.gates[n].inputs.map(|i| renamed[i]), ..self.gates[n] };
        Circuit {
            number: self.number,
            gates: order.iter().map(gate).collect(),
            outputs: self.outputs.map(|(node, inverted)| (renamed[node], inverted)),
        }
    }

    /// Drops the gates that no output needs.
    pub(crate) fn prune(&mut self) {
        let mut used = vec![false; INPUTS + self.gates.len()];
        self.outputs.iter().for_each(|&(node, _)| used[node] = true);
        for n in (0..self.gates.len()).rev() {
            if used[INPUTS + n] {
                self.gates[n].support().into_iter().for_each(|node| used[node] = true);
            }
        }
        let mut renamed: Vec<usize> = (0..INPUTS).collect();
        let mut kept = Vec::new();
        for (n, gate) in self.gates.iter().enumerate() {
            renamed.push(INPUTS + kept.len());
            if used[INPUTS + n] {
                // An input that has no effect may be a dropped node: replace it by another.
                let support = gate.support();
                let stand_in = support.first().copied().unwrap_or(0);
                let table = (0..8).fold(0, |table, row| {
                    table | u8::from(gate.bit(gate.settled(row, &support))) << row
                });
                let inputs =
                    gate.inputs.map(|i| renamed[if support.contains(&i) { i } else { stand_in }]);
                kept.push(Gate { inputs, table });
            }
        }
        self.gates = kept;
        self.outputs = self.outputs.map(|(node, inverted)| (renamed[node], inverted));
    }
}

impl Gate {
    /// `row` with the inputs outside `support` set to zero.
    fn settled(self, row: usize, support: &[usize]) -> usize {
        (0..3)
            .filter(|&i| support.contains(&self.inputs[i]))
            .fold(0, |settled, i| settled | row & 1 << i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_circuit_of_its_box() {
        let good = include_str!("../circuits/two_input/s4.txt");
        assert!(Circuit::parse(good).is_ok());
        for (from, to) in
            [("sbox 4", "sbox 5"), ("sbox 4", "sbox 9"), ("o 3", "o 4"), ("g 6", "g 7")]
        {
            assert!(Circuit::parse(&good.replace(from, to)).is_err(), "{from} -> {to}");
        }
        assert!(matches!(
            Circuit::parse(&good.replace("sbox 4", "sbox 5")),
            Err(CircuitError::Wrong { .. })
        ));
        assert_eq!(
            Circuit::parse("sbox 4\ng 6 1 2 6 96"),
            Err(CircuitError::Node { line: 2, limit: 6, found: 6 })
        );
    }

    #[test]
    fn text_form_round_trips() {
        let circuit = Circuit::parse(include_str!("../circuits/lut3_min/s7.txt")).unwrap();
        assert_eq!(Circuit::parse(&circuit.to_text()), Ok(circuit));
    }

    #[test]
    fn another_order_is_the_same_circuit() {
        let circuit = Circuit::parse(include_str!("../circuits/lut3_min/s6.txt")).unwrap();
        let sorted = circuit.in_order_of_need();
        assert_eq!(sorted.check(), Ok(()));
        assert_eq!(sorted.price(), circuit.price());
        assert_ne!(sorted, circuit);
    }

    #[test]
    fn support_ignores_inputs_without_effect() {
        let gate = |inputs, table| Gate { inputs, table };
        assert_eq!(gate([1, 2, 3], 0x96).support(), [1, 2, 3]);
        assert_eq!(gate([1, 2, 3], 0x66).support(), [1, 2]);
        assert_eq!(gate([1, 2, 2], 0x96).support(), [1]);
    }
}
