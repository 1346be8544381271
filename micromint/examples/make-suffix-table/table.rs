//! The encoder of the table of public suffixes. `src/host_name/public_suffix.rs` describes the
//! format and reads it.
//!
//! Input: the rules, as strings from right to left. Output: a minimal automaton that accepts
//! exactly these strings. Short tails are written at each place, because an offset would take as
//! many bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::Command;

/// The path of the table.
pub(crate) const PATH: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/host_name/public_suffixes.bin");

/// The first bytes of the table, a text about its origin.
const HEADER_SIZE: usize = 64;
/// The symbols, in the order of their numbers.
const SYMBOLS: &[u8] = b"-.0123456789abcdefghijklmnopqrstuvwxyz*!";
/// A bit in the first byte of an edge: it is the last edge of its node.
const LAST_EDGE: u8 = 0x80;
/// A bit of a symbol: another symbol of the same edge follows.
const MORE: u8 = 0x40;
/// Tails of at most this number of symbols are not shared.
const COPIED_TAIL_MAX: usize = 3;

/// The rules of the crate `psl`.
pub(crate) struct List {
    /// The version of the crate.
    pub(crate) version: String,
    /// The rules in Unicode, as the list has them.
    pub(crate) rules: Vec<String>,
}

impl List {
    /// Reads the list of the version of `psl` that Cargo.lock names.
    pub(crate) fn read() -> List {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--offline", "--manifest-path"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .output()
            .expect("cargo metadata runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let psl = packages.iter().find(|package| package["name"] == "psl").unwrap();
        let folder = PathBuf::from(psl["manifest_path"].as_str().unwrap());
        let text = std::fs::read_to_string(folder.with_file_name("data/rules.txt")).unwrap();
        List {
            version: psl["version"].as_str().unwrap().to_string(),
            rules: text.split_whitespace().map(str::to_string).collect(),
        }
    }
}

/// A rule with A-labels instead of Unicode; `*` and `!` are kept.
pub(crate) fn ascii_rule(rule: &str) -> String {
    let is_exception = rule.starts_with('!');
    let labels = rule.trim_start_matches('!').split('.').map(|label| match label {
        "*" => label.to_string(),
        label => idna::domain_to_ascii_strict(label).unwrap(),
    });
    let name = labels.collect::<Vec<_>>().join(".");
    if is_exception { format!("!{name}") } else { name }
}

/// The table.
pub(crate) fn encode(list: &List) -> Vec<u8> {
    let mut tree = Tree::default();
    for rule in &list.rules {
        let rule = ascii_rule(rule);
        assert!(!rule[1..].contains(['*', '!']), "{rule}: expected * and ! at the beginning only");
        let symbols: Vec<u8> = rule.bytes().rev().map(symbol).collect();
        tree.insert(&symbols);
    }
    let mut automaton = Automaton::default();
    let root = automaton.add(&tree);
    let header = format!("Public Suffix List (MPL 2.0) from psl {}", list.version);
    let mut bytes = format!("{header:<0$}\n", HEADER_SIZE - 1).into_bytes();
    assert_eq!(bytes.len(), HEADER_SIZE);
    bytes.extend(automaton.encode(root));
    bytes
}

fn symbol(byte: u8) -> u8 {
    let found = SYMBOLS.iter().position(|symbol| *symbol == byte);
    found.unwrap_or_else(|| panic!("{:?} is no symbol", char::from(byte))) as u8
}

/// A tree of the rules, with one symbol per edge.
#[derive(Default)]
struct Tree {
    ends_rule: bool,
    edges: BTreeMap<u8, Tree>,
}

impl Tree {
    fn insert(&mut self, symbols: &[u8]) {
        match symbols {
            [] => self.ends_rule = true,
            [first, rest @ ..] => self.edges.entry(*first).or_default().insert(rest),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    ends_rule: bool,
    edges: Vec<(u8, usize)>,
}

/// The nodes of the tree without duplicates.
#[derive(Default)]
struct Automaton {
    nodes: Vec<Node>,
    numbers: HashMap<Node, usize>,
}

impl Automaton {
    fn add(&mut self, tree: &Tree) -> usize {
        let edges = tree.edges.iter().map(|(symbol, tree)| (*symbol, self.add(tree))).collect();
        let node = Node { ends_rule: tree.ends_rule, edges };
        *self.numbers.entry(node.clone()).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// The number of symbols from a node to the end of its only rule, if it has only one.
    fn tail_len(&self, number: usize) -> Option<usize> {
        match &self.nodes[number] {
            Node { edges, .. } if edges.is_empty() => Some(0),
            Node { ends_rule: false, edges } if edges.len() == 1 => {
                Some(1 + self.tail_len(edges[0].1)?)
            }
            _ => None,
        }
    }

    /// The edges of a node, each with all symbols up to the next node that is written by itself.
    fn long_edges(&self, number: usize, parents: &[usize]) -> Vec<(Vec<u8>, usize)> {
        let is_inner = |number: usize| {
            let node = &self.nodes[number];
            let is_plain = !node.ends_rule && node.edges.len() == 1;
            let tail = self.tail_len(number);
            is_plain && (parents[number] == 1 || tail.is_some_and(|len| len <= COPIED_TAIL_MAX))
        };
        let edges = self.nodes[number].edges.iter().map(|(symbol, target)| {
            let (mut symbols, mut target) = (vec![*symbol], *target);
            while is_inner(target) {
                let (symbol, next) = self.nodes[target].edges[0];
                symbols.push(symbol);
                target = next;
            }
            (symbols, target)
        });
        edges.collect()
    }

    /// The nodes from the root on, each before those that its edges lead to.
    fn encode(&self, root: usize) -> Vec<u8> {
        let mut parents = vec![0; self.nodes.len()];
        for node in &self.nodes {
            node.edges.iter().for_each(|(_, target)| parents[*target] += 1);
        }
        let mut order = Vec::new();
        self.visit(root, &parents, &mut BTreeSet::new(), &mut order);
        // Written from the end, so that every offset is known when it is needed.
        let (mut reversed, mut places) = (Vec::new(), HashMap::new());
        for number in order {
            let edges = self.long_edges(number, &parents);
            for (i, (symbols, target)) in edges.iter().enumerate().rev() {
                let Node { ends_rule, edges: targets } = &self.nodes[*target];
                let offset = match targets.is_empty() {
                    true => 0,
                    // Relative to the last byte of the offset.
                    false => (reversed.len() - places[target] + 1) << 1 | usize::from(*ends_rule),
                };
                let is_last_edge = i == edges.len() - 1;
                reversed.extend(edge(symbols, offset, is_last_edge).iter().rev());
            }
            places.insert(number, reversed.len());
        }
        reversed.reverse();
        reversed
    }

    /// Lists the nodes that are written, each after those that its edges lead to.
    fn visit(
        &self,
        number: usize,
        parents: &[usize],
        seen: &mut BTreeSet<usize>,
        order: &mut Vec<usize>,
    ) {
        if self.nodes[number].edges.is_empty() || !seen.insert(number) {
            return;
        }
        for (_, target) in self.long_edges(number, parents) {
            self.visit(target, parents, seen, order);
        }
        order.push(number);
    }
}

/// The bytes of one edge.
fn edge(symbols: &[u8], mut offset: usize, is_last_edge: bool) -> Vec<u8> {
    let mut bytes: Vec<u8> = symbols.iter().map(|symbol| symbol | MORE).collect();
    bytes[symbols.len() - 1] &= !MORE;
    if is_last_edge {
        bytes[0] |= LAST_EDGE;
    }
    while offset >= 0x80 {
        bytes.push(offset as u8 & 0x7f | 0x80);
        offset >>= 7;
    }
    bytes.push(offset as u8);
    bytes
}
