//! Prints circuits as Rust for `micromint/src/hash/bulk/`.
//!
//! Machines have `and`, `or`, `xor` and `and_not` but no free complement. So every node is stored
//! either plain or complemented, whichever its gate produces without a further operation; a gate of
//! three inputs (one `vpternlog`, any truth table) absorbs complements at no cost.

use crate::circuit::{Circuit, Gate, INPUTS};
use std::fmt::Write;

/// The names of the nodes in the printed source.
fn name(node: usize) -> String {
    match node {
        0..INPUTS => char::from(b'a' + node as u8).to_string(),
        _ => format!("g{node}"),
    }
}

/// The source file of eight circuits. With `ternary`, gates of three inputs may occur.
pub(crate) fn module(circuits: &[Circuit], ternary: bool) -> String {
    let (kind, bound) =
        if ternary { ("up to three inputs", "Ternary") } else { ("two inputs", "Word") };
    let mut source = format!(
        "//! Circuits of gates with {kind} for the S-boxes of DES.\n\
         //!\n\
         //! Printed by `tools/sbox-circuits`, which also found them; do not edit. Inputs and outputs are in\n\
         //! the order of FIPS 46-3, the leftmost bit first.\n\n\
         use super::word::{bound};\n"
    );
    for circuit in circuits {
        // The order of the gates is worth 1 % with AVX-512; with few registers it is left
        // unchanged.
        let circuit = if ternary { &circuit.in_order_of_need() } else { circuit };
        source += &function(circuit, ternary);
    }
    source
}

/// One circuit as a function.
fn function(circuit: &Circuit, ternary: bool) -> String {
    let price = circuit.price();
    let mut complemented = vec![false; INPUTS];
    let mut body = String::new();
    for (n, gate) in circuit.gates.iter().enumerate() {
        let node = INPUTS + n;
        let as_output =
            circuit.outputs.iter().find(|output| output.0 == node).map(|output| output.1);
        let (text, kept_complemented) = expression(*gate, &complemented, as_output, ternary);
        complemented.push(kept_complemented);
        let _ = writeln!(body, "    let {} = {text};", name(node));
    }
    let outputs = circuit.outputs.map(|(node, inverted)| match complemented[node] == inverted {
        true => name(node),
        false => format!("{}.not()", name(node)),
    });
    format!(
        "\n/// S-box {}: {} gates of two inputs, {} of three; depth {}.\n\
         #[inline(always)]\n\
         pub(super) fn s{}<V: {}>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {{\n{body}    [{}]\n}}\n",
        circuit.number,
        price.two,
        price.three,
        price.depth,
        circuit.number,
        if ternary { "Ternary" } else { "Word" },
        outputs.join(", ")
    )
}

/// A gate as an expression over the stored nodes, and whether its value is the complement of the
/// node's.
fn expression(
    gate: Gate,
    complemented: &[bool],
    as_output: Option<bool>,
    ternary: bool,
) -> (String, bool) {
    let support = gate.support();
    match support[..] {
        [p, q] => {
            // The value of the node for the stored values of p and q.
            let table = |p_value: bool, q_value: bool| {
                let row = (0..3).fold(0, |row, i| {
                    let value = match gate.inputs[i] {
                        node if node == p => p_value != complemented[p],
                        node if node == q => q_value != complemented[q],
                        _ => false,
                    };
                    row | usize::from(value) << i
                });
                gate.bit(row)
            };
            let values =
                [table(false, false), table(true, false), table(false, true), table(true, true)];
            let (p, q) = (name(p), name(q));
            let bits = values.iter().enumerate().fold(0u8, |bits, (i, v)| bits | u8::from(*v) << i);
            let (text, inverted) = match bits {
                0b1000 => (format!("{p}.and({q})"), false),
                0b0111 => (format!("{p}.and({q})"), true),
                0b1110 => (format!("{p}.or({q})"), false),
                0b0001 => (format!("{p}.or({q})"), true),
                0b0110 => (format!("{p}.xor({q})"), false),
                0b1001 => (format!("{p}.xor({q})"), true),
                0b0010 => (format!("{p}.and_not({q})"), false),
                0b1101 => (format!("{p}.and_not({q})"), true),
                0b0100 => (format!("{q}.and_not({p})"), false),
                _ => (format!("{q}.and_not({p})"), true),
            };
            match as_output {
                // One gate of three inputs is cheaper than an operation and a complement.
                Some(wanted) if ternary && wanted != inverted => (
                    lookup(
                        gate,
                        [gate.inputs[0], gate.inputs[1], gate.inputs[2]],
                        complemented,
                        wanted,
                    ),
                    wanted,
                ),
                _ => (text, inverted),
            }
        }
        _ => {
            let wanted = as_output.unwrap_or(false);
            (lookup(gate, gate.inputs, complemented, wanted), wanted)
        }
    }
}

/// A gate as a table lookup whose result is complemented if `inverted`.
fn lookup(gate: Gate, inputs: [usize; 3], complemented: &[bool], inverted: bool) -> String {
    let flip = (0..3).fold(0, |flip, i| flip | usize::from(complemented[inputs[i]]) << i);
    let table =
        (0..8).fold(0u8, |table, row| table | u8::from(gate.bit(row ^ flip) != inverted) << row);
    let [a, b, c] = inputs.map(name);
    format!("V::lookup::<0x{table:02x}>({c}, {b}, {a})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sbox;
    use std::collections::HashMap;

    const TWO_INPUT: &str = include_str!("../../../micromint/src/hash/bulk/sboxes_two_input.rs");
    const TERNARY: &str = include_str!("../../../micromint/src/hash/bulk/sboxes_ternary.rs");

    fn circuits(folder: &str) -> Vec<Circuit> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("circuits").join(folder);
        crate::read_all(&folder).unwrap()
    }

    /// Source without white space and trailing commas, which rustfmt changes.
    fn squeezed(source: &str) -> String {
        source.split_whitespace().collect::<String>().replace(",]", "]")
    }

    #[test]
    fn the_committed_source_is_what_is_printed() {
        assert_eq!(squeezed(TWO_INPUT), squeezed(&module(&circuits("two_input"), false)));
        assert_eq!(squeezed(TERNARY), squeezed(&module(&circuits("lut3_lowdepth"), true)));
    }

    /// Evaluates an expression of the printed source.
    fn evaluate(text: &str, nodes: &HashMap<String, u64>) -> u64 {
        let operands = |text: &str| -> Vec<u64> {
            text.trim_end_matches(')').split(", ").map(|operand| nodes[operand]).collect()
        };
        if let Some(rest) = text.strip_prefix("V::lookup::<0x") {
            let (table, rest) = rest.split_once(">(").unwrap();
            let table = u8::from_str_radix(table, 16).unwrap();
            let values = operands(rest);
            let row = |m: u32| values.iter().fold(0, |row, value| row << 1 | value >> m & 1);
            return (0..64).fold(0, |result, m| result | u64::from(table >> row(m) & 1) << m);
        }
        let Some((p, rest)) = text.split_once('.') else { return nodes[text] };
        let p = nodes[p];
        match rest.split_once('(').unwrap() {
            ("not", _) => !p,
            ("and", q) => p & operands(q)[0],
            ("or", q) => p | operands(q)[0],
            ("xor", q) => p ^ operands(q)[0],
            ("and_not", q) => p & !operands(q)[0],
            (other, _) => panic!("{other}"),
        }
    }

    /// All 64 inputs of every box, on the text that is compiled.
    #[test]
    fn the_committed_source_computes_the_s_boxes() {
        for source in [TWO_INPUT, TERNARY] {
            let mut boxes = 0;
            for function in source.split("pub(super) fn ").skip(1) {
                let mut nodes: HashMap<String, u64> =
                    (0..INPUTS).map(|i| (name(i), sbox::input(i))).collect();
                let (head, body) = function.split_once('{').unwrap();
                let body = body.split_once("\n}").unwrap().0;
                let number = head[1..2].parse().unwrap();
                for line in body.lines().filter_map(|line| line.trim().strip_prefix("let ")) {
                    let (node, text) = line.trim_end_matches(';').split_once(" = ").unwrap();
                    let value = evaluate(text, &nodes);
                    nodes.insert(node.to_string(), value);
                }
                let outputs = body.rsplit_once('[').unwrap().1.split_once(']').unwrap().0;
                let outputs: Vec<u64> =
                    outputs.split(", ").map(|text| evaluate(text, &nodes)).collect();
                assert_eq!(outputs, sbox::outputs(number), "S-box {number}");
                boxes += 1;
            }
            assert_eq!(boxes, 8);
        }
    }
}
