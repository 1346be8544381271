// The popup: this page, what is in the wallet, and the way to everything else.

import { amount, coins, named, price } from "./amounts.ts";
import { api, say } from "./api.ts";
import type { Overview, SiteView, TabState } from "./messages.ts";
import { ask, begin, byId, command, element, facts, label } from "./page.ts";

const ALL_SITES = { origins: ["<all_urls>"] };
const OUT_OF_COINS = new Set(["tooFewCoins", "noSuchCoins", "notValidNow"]);
void start();

async function start(): Promise<void> {
  begin("name");
  label("grant-text", "grant_text");
  label("grant-button", "grant_button");
  label("permissions-link", "permissions_heading");
  label("wallet", "open_wallet");
  byId("wallet").addEventListener("click", () => {
    void api.tabs.create({ url: api.runtime.getURL("wallet.html") });
    window.close();
  });
  byId("grant").hidden = await api.permissions.contains(ALL_SITES);
  byId("grant-button").addEventListener("click", () => {
    void api.permissions.request(ALL_SITES).then((isGranted) => (byId("grant").hidden = isGranted));
  });
  await show();
  (document.querySelector("button:not([hidden])") as HTMLElement | null)?.focus();
}

async function show(): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  const { value: overview } = await command<Overview>({ do: "overview", now });
  const rows: [string, string][] = overview.holdings
    .filter((held) => held.isValid)
    .map((held) => ["balance", amount({ coins: held.unspent, worth: held.unspentWorth })]);
  if (rows.length === 0) rows.push(["balance", say("no_coins")]);
  if (overview.holdings.some((held) => held.expiresSoon)) rows.push(["attention", say("note_expires")]);
  const [tab] = await api.tabs.query({ active: true, currentWindow: true });
  const state = tab?.id === undefined ? null : await ask<TabState | null>({ ask: "tab", tab: tab.id });
  byId("page").replaceChildren(...page(state, tab?.id ?? -1));
  if (state !== null && OUT_OF_COINS.has(state.code ?? "")) {
    const brokers = new Set(overview.holdings.map((held) => held.broker));
    for (const broker of brokers) byId("page").append(buyAt(broker));
  }
  if (state !== null && state.vendor !== "") {
    const { value: site } = await command<SiteView>({ do: "site", vendor: state.vendor, now });
    rows.push(["spent_here", coins(site.spent.siteDay)]);
    if (site.rule.isNever === true || typeof site.rule.autopay === "number") {
      byId("page").append(remove(state.vendor));
    }
  }
  facts("facts", rows);
  label("pause", overview.settings.isPaused ? "resume" : "pause");
  byId("pause").onclick = () => {
    const settings = { ...overview.settings, isPaused: !overview.settings.isPaused };
    void command({ do: "setSettings", settings }).then(show);
  };
}

/** The page of a broker whose coins are in the wallet. One that only a site names is not offered. */
function buyAt(broker: string): HTMLElement {
  const button = element("button", say("buy_at", broker));
  button.addEventListener("click", () => {
    if (/^https?:/.test(broker)) void api.tabs.create({ url: broker });
    window.close();
  });
  return button;
}

/** Takes back "always" and "never" of a site. */
function remove(vendor: string): HTMLElement {
  const button = element("button", say("remove_rule", vendor));
  button.addEventListener("click", () => void command({ do: "setRule", vendor, rule: null }).then(show));
  return button;
}

function page(state: TabState | null, tab: number): HTMLElement[] {
  if (state === null) return [element("p", say("page_free"))];
  const isPriced = state.prices.length > 0;
  const made = [
    element("p", isPriced ? say(`page_${state.state}`, price(state.prices)) : say("page_unpaid")),
  ];
  if (state.state === "refused") {
    const code = state.code ?? "other";
    const known = api.i18n.getMessage(`refuse_${code}`, (state.values ?? []).map(named));
    made.push(element("p", known || (state.text ?? ""), "bad"));
    if (known && state.text) made.push(element("p", state.text, "soft breaks"));
    const again = element("button", say("ask_again"));
    again.addEventListener("click", () => {
      void ask({ ask: "askAgain", tab });
      window.close();
    });
    made.push(again);
  }
  return made;
}
