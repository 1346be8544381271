// The page of the wallet: coins, payments, sums, limits, and the wallet as a file.

import { amount, coins, money, number } from "./amounts.ts";
import { say } from "./api.ts";
import { fromBase64 } from "./base64.ts";
import { complain } from "./complain.ts";
import { csv } from "./csv.ts";
import type { Frozen, Holding, Overview, PaymentRow, Received, Settings } from "./messages.ts";
import { ask, begin, byId, command, date, day, element, label, save, time } from "./page.ts";

/** How many payments are read at a time. */
const ROWS = 500;
/** How many days the plot shows. */
const DAYS = 31;

let rows: PaymentRow[] = [];

void start();

async function start(): Promise<void> {
  begin("wallet_heading");
  for (const [id, name] of [
    ["coins-heading", "coins_heading"],
    ["payments-heading", "payments_heading"],
    ["days-heading", "days_heading"],
    ["settings-heading", "settings_heading"],
    ["move-heading", "move_heading"],
    ["move-text", "move_text"],
    ["csv", "csv"],
    ["return", "return_coins"],
    ["backup", "backup"],
    ["move-out", "move_out"],
    ["permissions-link", "permissions_heading"],
  ] as const) {
    label(id, name);
  }
  for (const [id, name] of [
    ["receive-label", "receive_file"],
    ["search-label", "search"],
    ["move-in-label", "move_in"],
    ["restore-label", "restore"],
  ] as const) {
    const text = byId(id).querySelector("span");
    if (text !== null) text.textContent = say(name);
  }
  byId("search").addEventListener("input", showPayments);
  byId("csv").addEventListener("click", () => save("micromint.csv", csv(rows), "text/csv"));
  byId("return").addEventListener("click", () => void attempt(giveBack));
  byId("backup").addEventListener("click", () => void attempt(backup));
  byId("move-out").addEventListener("click", () => void attempt(moveOut));
  takesFile("receive", receive);
  takesFile("move-in", async (file) => {
    await command({ do: "moveIn", now: now() }, file);
    tell("moved_in");
  });
  takesFile("restore", async (file) => {
    await command({ do: "restore", isUnspentSince: false, now: now() }, file);
    tell("restored");
  });
  await attempt(show);
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function tell(name: string, ...values: string[]): void {
  byId("result").textContent = say(name, ...values);
}

/** Does something and shows why it failed. */
async function attempt(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    tell("failed", error instanceof Error ? error.message : String(error));
  }
}

function takesFile(id: string, act: (file: Uint8Array) => Promise<void>): void {
  const input = byId<HTMLInputElement>(id);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file === undefined) return;
    void attempt(async () => {
      await act(new Uint8Array(await file.arrayBuffer()));
      await show();
    }).finally(() => (input.value = ""));
  });
}

async function show(): Promise<void> {
  const { value: overview } = await command<Overview>({ do: "overview", now: now() });
  byId("coins").replaceChildren(...holdings(overview));
  byId("return").hidden = overview.returnable === 0 && overview.openReturns === 0;
  rows = [];
  while (rows.length < overview.payments) {
    const found = await ask<{ rows: PaymentRow[] }>({ ask: "payments", from: rows.length, count: ROWS });
    if (found.rows.length === 0) break;
    rows.push(...found.rows);
  }
  showPayments();
  byId("days").replaceChildren(...days(overview));
  showSettings(overview.settings);
  await showOutbox();
}

function holdings(overview: Overview): HTMLElement[] {
  const made: HTMLElement[] = [];
  if (overview.frozen !== null) made.push(element("p", say("frozen", whyFrozen(overview.frozen)), "bad"));
  if (overview.holdings.length === 0) return [...made, element("p", say("no_coins_yet"))];
  const table = tableOf(["col_broker", "col_period", "col_coins", "col_until", "col_notes"]);
  for (const held of overview.holdings) {
    const row = element("tr");
    row.append(
      element("th", held.broker, "breaks"),
      element("td", held.period),
      element("td", amount({ coins: held.unspent, worth: held.unspentWorth }), "number"),
      element("td", date(held.expiration)),
      element("td", notes(held)),
    );
    table.tBodies[0]?.append(row);
  }
  return [...made, table];
}

function whyFrozen(frozen: Frozen): string {
  return frozen.why === "other" ? frozen.text : say(`frozen_${frozen.why}`, time(frozen.at));
}

function notes(held: Holding): string {
  const found: string[] = [];
  if (!held.isValid) found.push(say("note_invalid"));
  if (held.expiresSoon) found.push(say("note_expires"));
  if (!held.isConfirmed) found.push(say("note_unconfirmed"));
  if (held.hasRivals) found.push(say("note_rivals"));
  if (held.bound > 0) found.push(say("note_bound", coins(held.bound)));
  if (held.inDoubt > 0) found.push(say("note_inDoubt", coins(held.inDoubt)));
  return found.join(" ");
}

function tableOf(names: readonly string[]): HTMLTableElement {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const name of names) {
    const cell = element("th", say(name));
    cell.setAttribute("scope", "col");
    head.append(cell);
  }
  table.createTBody();
  return table;
}

function showPayments(): void {
  const wanted = byId<HTMLInputElement>("search").value.toLowerCase();
  const found = rows.filter((row) =>
    [row.title ?? "", row.description, row.url, row.vendor, row.reference].some((text) =>
      text.toLowerCase().includes(wanted),
    ),
  );
  if (found.length === 0) {
    byId("payments").replaceChildren(element("p", say("no_payments"), "soft"));
    return;
  }
  const table = tableOf([
    "col_when", "col_page", "col_site", "col_price", "col_state", "col_receipt", "col_reference",
    "col_complain",
  ]);
  for (const payment of found) table.tBodies[0]?.append(paymentRow(payment));
  byId("payments").replaceChildren(table);
}

function paymentRow(payment: PaymentRow): HTMLElement {
  const row = element("tr");
  const link = element("a", payment.title || payment.description || payment.url, "breaks");
  // Only what a vendor can be paid for, which is http or https.
  if (/^https?:/.test(payment.url)) link.setAttribute("href", payment.url);
  link.setAttribute("rel", "noreferrer");
  const page = element("td");
  page.append(link);
  const state = [say(`outcome_${payment.outcome.replace("-", "_")}`), payment.reason ?? ""];
  const reference = element("td", payment.reference.slice(0, 8));
  reference.title = payment.reference;
  const button = element("button", say("complain"));
  button.setAttribute("aria-label", say("complain_of", payment.vendor, time(payment.at)));
  button.addEventListener("click", () => complain(payment, (text) => (byId("result").textContent = text)));
  const last = element("td");
  last.append(button);
  const { receiptExpires: until } = payment;
  row.append(
    element("td", time(payment.at)),
    page,
    element("td", payment.vendor, "breaks"),
    element("td", amount(payment), "number"),
    element("td", state.filter((text) => text !== "").join(": ")),
    element("td", until === null ? "" : time(until)),
    reference,
    last,
  );
  return row;
}

/** What was paid on each of the last days, as a plot with a table for those who cannot see it. */
function days(overview: Overview): HTMLElement[] {
  const byDay = new Map<string, number>();
  const bySite = new Map<string, number>();
  for (const [date, site, count] of overview.days) {
    byDay.set(date, (byDay.get(date) ?? 0) + count);
    bySite.set(site, (bySite.get(site) ?? 0) + count);
  }
  if (bySite.size === 0) return [element("p", say("no_payments"), "soft")];
  const last = Array.from({ length: DAYS }, (_, i) =>
    new Date((now() - (DAYS - 1 - i) * 86_400) * 1000).toISOString().slice(0, 10),
  );
  const most = Math.max(1, ...last.map((date) => byDay.get(date) ?? 0));
  const plot = element("div", undefined, "bars");
  plot.setAttribute("aria-hidden", "true");
  for (const date of last) {
    const bar = element("span");
    bar.style.height = `${((byDay.get(date) ?? 0) / most) * 100}%`;
    bar.title = `${day(date)}: ${coins(byDay.get(date) ?? 0)}`;
    plot.append(bar);
  }
  const days = [...byDay].reverse().map(([date, count]) => [day(date), count] as const);
  return [plot, sums("col_day", days), sums("col_site", [...bySite])];
}

function sums(name: string, found: readonly (readonly [string, number])[]): HTMLElement {
  const table = tableOf([name, "col_coins"]);
  for (const [what, count] of found) {
    const row = element("tr");
    row.append(element("td", what), element("td", number(count), "number"));
    table.tBodies[0]?.append(row);
  }
  return table;
}

const NUMBERS = ["autopay", "pageLimit", "dayLimit", "monthLimit", "siteDayLimit", "siteMonthLimit", "warnDays"] as const;
const FLAGS = ["allowHttp", "showsPrices"] as const;
/** Those that may be empty, which means no limit. */
const OPTIONAL = new Set<string>(["dayLimit", "monthLimit", "siteDayLimit", "siteMonthLimit"]);

function showSettings(settings: Settings): void {
  const form = byId<HTMLFormElement>("settings");
  const made = NUMBERS.map((name) => {
    const found = element("label", `${say(`setting_${name}`)} `);
    const input = document.createElement("input");
    Object.assign(input, { type: "number", min: "0", step: "1", name, required: !OPTIONAL.has(name) });
    input.value = settings[name] === null ? "" : String(settings[name]);
    found.append(input);
    return found;
  });
  const flags = FLAGS.map((name) => {
    const found = element("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "checkbox", name, checked: settings[name] });
    const about = element("span", say(`setting_${name}_about`), "soft about");
    found.append(input, ` ${say(`setting_${name}`)}`, about);
    return found;
  });
  const button = element("button", say("save"), "main");
  form.replaceChildren(...made, ...flags, button);
  form.onsubmit = (event) => {
    event.preventDefault();
    const numbers = NUMBERS.map((name) => {
      const { value } = form.elements.namedItem(name) as HTMLInputElement;
      return [name, value === "" ? null : Number(value)];
    });
    const checked = FLAGS.map((name) => [name, (form.elements.namedItem(name) as HTMLInputElement).checked]);
    void attempt(async () => {
      const changes = Object.fromEntries([...numbers, ...checked]) as Partial<Settings>;
      await command({ do: "setSettings", settings: { ...settings, ...changes } });
      tell("saved");
      await show();
    });
  };
  byId("sites").replaceChildren(...sites(settings));
}

function sites(settings: Settings): HTMLElement[] {
  const made: HTMLElement[] = [];
  for (const [vendor, rule] of Object.entries(settings.sites)) {
    const row = element("p", rule.isNever === true
      ? say("rule_never", vendor)
      : say("rule_always", vendor, coins(rule.autopay ?? 0)));
    const button = element("button", say("remove_rule", vendor));
    button.addEventListener("click", () =>
      void attempt(async () => {
        await command({ do: "setRule", vendor, rule: null });
        await show();
      }),
    );
    row.append(" ", button);
    made.push(row);
  }
  return made;
}

async function receive(file: Uint8Array): Promise<void> {
  const give = (isAgreed: boolean) =>
    command<Received>({ do: "receive", page: null, isAgreed, now: now() }, file);
  let { value: found } = await give(false);
  if (found.received === "ask") {
    const { broker, sets, value } = found.facts;
    if (!confirm(say("ask_stranger", broker, number(sets), money(value)))) return;
    found = (await give(true)).value;
  }
  if (found.received === "new") tell("received", coins(found.coins ?? 0), found.facts.broker);
  else if (found.received === "already") tell("received_already");
  else tell("failed", found.text ?? "");
}

/** Sends expired coins back to the brokers that sold them. */
async function giveBack(): Promise<void> {
  const { value: open } = await command<{ broker: string; coins: number; message: string }[]>({
    do: "returns",
    now: now(),
  });
  let count = 0;
  for (const it of open) {
    const answer = await fetch(new URL("return", it.broker.endsWith("/") ? it.broker : `${it.broker}/`), {
      method: "POST",
      headers: { "Content-Type": "application/x-micromint" },
      body: fromBase64(it.message),
      credentials: "omit",
      redirect: "error",
    });
    if (!answer.ok) throw new Error(`${it.broker}: ${answer.status}`);
    await command({ do: "credited", now: now() }, new Uint8Array(await answer.arrayBuffer()));
    count += it.coins;
  }
  tell("returned", coins(count));
  await show();
}

async function backup(): Promise<void> {
  const { bytes } = await command({ do: "backup", now: now() });
  save(`micromint-backup-${new Date().toISOString().slice(0, 10)}.mmw`, bytes, "application/octet-stream");
  tell("backup_made");
}

async function moveOut(): Promise<void> {
  if (!confirm(say("ask_move_out"))) return;
  await ask({ ask: "moveOut" });
  tell("moved_out");
  await show();
}

/** Files that were moved out. They stay here until their owner has stored them. */
async function showOutbox(): Promise<void> {
  const files = await ask<{ name: string; at: number; bytes: string }[]>({ ask: "outbox" });
  byId("outbox").replaceChildren(
    ...files.map((file) => {
      const row = element("p", `${file.name}, ${time(file.at)} `);
      const download = element("button", say("save_file"));
      download.addEventListener("click", () => save(file.name, fromBase64(file.bytes), "application/octet-stream"));
      const forget = element("button", say("forget_file"));
      forget.addEventListener("click", () => {
        if (!confirm(say("ask_forget"))) return;
        void attempt(async () => {
          await ask({ ask: "forget", name: file.name });
          await show();
        });
      });
      row.append(download, " ", forget);
      return row;
    }),
  );
}
