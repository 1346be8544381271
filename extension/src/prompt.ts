// The window that asks about a price above the threshold. Cancel has the focus, so that a key that
// was meant for the page pays nothing.

import { amount, coins, money, number } from "./amounts.ts";
import { api, say } from "./api.ts";
import type { Asked, Choice, Question, Received } from "./messages.ts";
import { ask, begin, byId, facts, label } from "./page.ts";

/** How long the buttons that pay do nothing: a click that was meant for the page must not pay. */
const GUARD_MS = 400;
/** How often the window tells the background that it waits, which would be stopped otherwise. */
const ALIVE_MS = 15_000;

const id = new URLSearchParams(location.search).get("id") ?? "";
void start();

async function start(): Promise<void> {
  begin("ask_heading");
  const asked = await ask<Asked | null>({ ask: "question", id });
  if (asked === null) return window.close();
  if (asked.about === "price") aboutPrice(asked);
  else aboutCoins(asked);
  const buttons: readonly Choice[] = ["once", "cancel", "always", "never"];
  for (const choice of buttons) {
    byId(choice).addEventListener("click", () => void choose(choice));
  }
  for (const choice of ["once", "always"]) {
    const button = byId<HTMLButtonElement>(choice);
    button.disabled = true;
    setTimeout(() => (button.disabled = false), GUARD_MS);
  }
  setInterval(() => {
    void ask<Asked | null>({ ask: "question", id }).then((it) => {
      if (it === null) window.close();
    });
  }, ALIVE_MS);
  byId("cancel").focus();
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") void choose("cancel");
  });
}

function aboutPrice(question: Question): void {
  byId("price").textContent = amount(question);
  facts("facts", [
    ["ask_site", question.vendor],
    ["ask_page", question.description || question.url],
    ["ask_remains", amount(question.remains)],
    ["ask_today", coins(question.spent.siteDay)],
  ]);
  const notes: string[] = [];
  if (question.over !== null) {
    const { limit, of, by } = question.over;
    notes.push(say(`over_${limit}`, coins(of), coins(by)));
  }
  if (question.wasPaid) notes.push(say("ask_wasPaid"));
  if (notes.length > 0) {
    byId("over").textContent = notes.join(" ");
    byId("over").hidden = false;
  }
  label("once", "ask_once", amount(question));
  label("cancel", "ask_cancel");
  label("always", "ask_always", coins(question.coins));
  label("never", "ask_never");
}

function aboutCoins(found: Received["facts"] & { readonly page: string }): void {
  begin("coins_question");
  byId("price").textContent = say("coins_of", found.broker);
  facts("facts", [
    ["ask_site", found.page],
    ["ask_sets", number(found.sets)],
    ["ask_value", money(found.value)],
    ["col_period", found.period],
  ]);
  byId("over").textContent = say("coins_warning");
  byId("over").hidden = false;
  label("once", "coins_add");
  label("cancel", "ask_cancel");
  for (const choice of ["always", "never"]) byId(choice).hidden = true;
}

async function choose(choice: Choice): Promise<void> {
  await ask({ ask: "choose", id, choice });
  const own = await api.windows.getCurrent();
  if (own.type === "popup") window.close();
}
