// The public price list of a site (docs/reference/http.md): which of its entries decides about a
// path. It is a hint for people and decides nothing: what a page costs is in its 402.

/** The largest list that is read, in bytes. */
export const LIST_SIZE_MAX = 2 * 1024 * 1024;
/** The most entries of a list. A longer list is not used. */
export const ENTRIES_MAX = 10_000;

/** An entry, ready to be compared with paths. */
export interface Entry {
  readonly parts: readonly Part[];
  readonly hasSlash: boolean;
  readonly suffixes: readonly string[];
  readonly coins: number;
  /** What a coin is worth, where the list says so: the site accepts coins of several values. */
  readonly value: string | undefined;
}

/** A part of a pattern: a text in normal form, any one part, or all that follow. */
type Part = { readonly kind: "text"; readonly text: string } | { readonly kind: "one" | "rest" };

/** The entries of a list; none if it is not one. Entries that are not understood are left out. */
export function entriesOf(text: string): Entry[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return [];
  }
  const prices = (list as { prices?: unknown } | null)?.prices;
  if (!Array.isArray(prices) || prices.length > ENTRIES_MAX) return [];
  return prices.flatMap((it) => entryOf(it) ?? []);
}

function entryOf(it: unknown): Entry | undefined {
  if (typeof it !== "object" || it === null) return undefined;
  const { path, coins, suffix = [] } = it as { path?: unknown; coins?: unknown; suffix?: unknown };
  const value = (it as { "coin-value"?: unknown })["coin-value"];
  if (value !== undefined && typeof value !== "string") return undefined;
  if (typeof path !== "string" || !path.startsWith("/")) return undefined;
  if (typeof coins !== "number" || !Number.isInteger(coins) || coins < 0) return undefined;
  if (!Array.isArray(suffix) || !suffix.every((it) => typeof it === "string")) return undefined;
  return { parts: split(path).map(partOf), hasSlash: path.endsWith("/"), suffixes: suffix.map(normal), coins, value };
}

function partOf(text: string): Part {
  if (/^\{\*[\w-]+\}$/.test(text)) return { kind: "rest" };
  if (/^\{[\w-]+\}$/.test(text)) return { kind: "one" };
  return { kind: "text", text: normal(text) };
}

/** The parts of a path. Empty ones do not count. */
function split(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}

/** A part in its one spelling: decoded, except for the characters that would mean something else. */
function normal(part: string): string {
  const kept = part.replace(/%(25|2f)/gi, (escape) => `%25${escape.slice(1).toUpperCase()}`);
  try {
    return decodeURIComponent(kept);
  } catch {
    return part;
  }
}

/** The price of a path in coins according to the list; undefined if the list has none. */
export function listed(entries: readonly Entry[], path: string): number | undefined {
  return deciding(entries, path)?.coins;
}

/** The entry that decides about a path; undefined if none does. */
export function deciding(entries: readonly Entry[], path: string): Entry | undefined {
  const parts = split(path).map(normal);
  const hasSlash = path.endsWith("/");
  let best: { readonly entry: Entry; readonly suffix: number } | undefined;
  for (const entry of entries) {
    const suffix = suffixOf(entry, parts);
    if (suffix === undefined || !matches(entry.parts, parts)) continue;
    const found = { entry, suffix };
    if (best === undefined || isBefore(found, best, hasSlash)) best = found;
  }
  return best?.entry;
}

function matches(pattern: readonly Part[], parts: readonly string[]): boolean {
  for (const [at, part] of pattern.entries()) {
    if (part.kind === "rest") return true;
    const found = parts[at];
    if (found === undefined || (part.kind === "text" && part.text !== found)) return false;
  }
  return pattern.length === parts.length;
}

/** The length of the longest suffix that the path ends with, 0 if none is asked for. */
function suffixOf(entry: Entry, parts: readonly string[]): number | undefined {
  if (entry.suffixes.length === 0) return 0;
  const path = `/${parts.join("/")}`;
  const found = entry.suffixes.filter((suffix) => path.endsWith(suffix)).map((it) => it.length);
  return found.length === 0 ? undefined : Math.max(...found);
}

type Candidate = { readonly entry: Entry; readonly suffix: number };

/** Whether `a` is more specific than `b`. Both match. */
function isBefore(a: Candidate, b: Candidate, hasSlash: boolean): boolean {
  const [rankA, rankB] = [rankOf(a.entry), rankOf(b.entry)];
  if (rankA !== rankB) return rankA < rankB;
  const [slashA, slashB] = [a.entry.hasSlash === hasSlash, b.entry.hasSlash === hasSlash];
  if (slashA !== slashB) return slashA;
  if (a.suffix !== b.suffix) return a.suffix > b.suffix;
  return a.entry.coins > b.entry.coins;
}

/** The kinds of the parts from the left, in an order in which the more specific comes first. */
function rankOf(entry: Entry): string {
  return entry.parts.map((it) => ({ text: "0", one: "1", rest: "2" })[it.kind]).join("");
}
