// What both browsers share: deciding about a 402 with the core, taking the answers, asking the owner,
// and the state of each tab. How a payment travels is in chromium.ts and firefox.ts.

import { price, short } from "./amounts.ts";
import { api, now, say, wait } from "./api.ts";
import type {
  Action, Amount, Meaning, PaymentRow, Question, Refusal, Send, TabState, Verdict, Visit,
} from "./messages.ts";
import { type Prompts } from "./prompts.ts";
import type { Wallet } from "./wallet.ts";

/** The largest manifest that is read, in bytes. The core refuses a longer one. */
const MANIFEST_SIZE_MAX = 64 * 1024;
/** How long a vendor may take for its manifest. */
const MANIFEST_MS_MAX = 10_000;
/** Among how many of the latest payments one that was just made is looked for. */
const RECENT_COUNT = 50;

/** How long the title of a page is awaited, in milliseconds, and how often it is looked at. */
const TITLE_MS_MAX = 10_000;
const TITLE_SECONDS = 0.2;

/** The head of an answer. */
export interface Head {
  readonly status: number;
  readonly headers: chrome.webRequest.HttpHeader[];
}

/** A payment on its way. */
export interface Sent {
  readonly payment: number;
  readonly header: string;
  readonly coins: number;
  /** When it was sent first. */
  readonly since: number;
  readonly url: string;
  readonly tried: readonly number[];
  readonly offer: string;
  readonly isBody: boolean;
  /** The rule that adds it to the request, in Chromium. */
  readonly rule?: number;
}

/** The value of a header; undefined if it is missing. */
export function header(head: Head, name: string): string | undefined {
  return head.headers.find((it) => it.name.toLowerCase() === name)?.value;
}

/** What a 402 asks for: the value of MicroMint-Request. */
export function offerIn(head: Head): string | undefined {
  return head.status === 402 ? header(head, "micromint-request") : undefined;
}

export function withoutFragment(url: string): string {
  return url.split("#", 1)[0] ?? url;
}

export class Payer {
  private readonly actions = new Map<number, { url: string; promise: Promise<Action> }>();

  /** What follows from the answer to a payment that a content script posted; a transport sets it. */
  onPosted: (tab: number, url: string, head: Head) => Promise<"reload" | "show"> = () =>
    Promise.resolve("show");

  constructor(
    readonly wallet: Wallet,
    private readonly prompts: Prompts,
  ) {}

  /** Decides about a page, and fetches the vendor's consent if the core asks for it. */
  async decide(url: string, offer: string, visit: Visit): Promise<Verdict> {
    const ask = (manifest?: string): Promise<Verdict> =>
      this.wallet
        .call<Verdict>({ do: "pay", url, request: offer, visit, manifest: manifest ?? null, now: now() })
        .then((answer) => answer.value);
    const verdict = await ask();
    if (verdict.verdict !== "needsConsent") return verdict;
    return await ask(await manifestAt(verdict.url));
  }

  /** Tells the core how a payment was answered. */
  async answered(sent: Sent, head: Head, isComplete: boolean): Promise<Meaning> {
    const cookies = head.headers
      .filter((it) => it.name.toLowerCase() === "set-cookie")
      // Firefox joins several cookies with line feeds.
      .flatMap((it) => (it.value ?? "").split("\n"));
    const answer = await this.wallet.call<Meaning>({
      do: "answer",
      payment: sent.payment,
      status: head.status,
      word: header(head, "micromint-status") ?? null,
      reason: null,
      retryAfter: header(head, "retry-after") ?? null,
      cookies,
      isBody: sent.isBody,
      firstSent: sent.since,
      isComplete,
      now: now(),
    });
    return answer.value;
  }

  /** A payment on its way, from a verdict. */
  sent(send: Send, url: string, offer: string, tried: readonly number[]): Sent {
    return {
      payment: send.payment,
      header: send.header,
      coins: send.coins,
      since: now(),
      url,
      offer,
      tried: [...tried, send.payment],
      isBody: !send.fitsHeader,
    };
  }

  /**
   * Asks the owner about a page in a tab. Resolves when the owner has agreed, or not. If asking
   * fails, the state of the tab says so, and that is no agreement.
   */
  async ask(tab: number, question: Question): Promise<boolean> {
    try {
      return await this.askOwner(tab, question);
    } catch (error) {
      this.failed(tab, error, stateOf(question));
      return false;
    }
  }

  private async askOwner(tab: number, question: Question): Promise<boolean> {
    this.show(tab, { ...stateOf(question), state: "asks" });
    const choice = await this.prompts.ask(tab, { about: "price", ...question });
    if (choice === "always") {
      await this.setRule(question.vendor, { autopay: question.coins });
    } else if (choice === "never") {
      await this.setRule(question.vendor, { isNever: true });
    }
    const isAgreed = choice === "once" || choice === "always";
    if (!isAgreed) {
      const code = choice === "never" ? "never" : "declined";
      this.show(tab, { ...stateOf(question), state: "refused", code });
    }
    return isAgreed;
  }

  private async setRule(vendor: string, rule: object): Promise<void> {
    await this.wallet.call({ do: "setRule", vendor, rule }, undefined, (answer) => ({
      settings: JSON.stringify(answer.value),
    }));
  }

  /** A page was paid for, or opened again with the same payment. */
  paid(tab: number, sent: Sent): void {
    void this.showPaid(tab, sent).catch(() => undefined);
  }

  private async showPaid(tab: number, sent: Sent): Promise<void> {
    const rows = await this.wallet.call<{ rows: PaymentRow[]; total: number }>({
      do: "payments",
      from: 0,
      count: RECENT_COUNT,
    });
    const row = rows.value.rows.find((it) => it.number === sent.payment);
    if (row === undefined) return;
    this.show(tab, { ...stateOf(row), state: "paid" });
    const title = await titleOf(tab, sent.url);
    if (title) await (await this.wallet.store()).keepTitle(sent.payment, title);
  }

  /** What a 402 that a content script sees is for; the transports set it. */
  setAction(tab: number, url: string, promise: Promise<Action>): void {
    this.actions.set(tab, { url: withoutFragment(url), promise });
  }

  async action(tab: number, url: string): Promise<Action> {
    const found = this.actions.get(tab);
    if (found === undefined || found.url !== withoutFragment(url)) return { action: "show" };
    try {
      return await found.promise;
    } catch {
      return { action: "show" };
    }
  }

  /** Shows why the core refuses to pay for a page. */
  refused(tab: number, verdict: Refusal, url: string): void {
    const { vendor, prices, code, values, text } = verdict;
    this.show(tab, { url, vendor, prices, state: "refused", code, values, text });
  }

  /** Shows that the wallet failed. */
  failed(tab: number, error: unknown, about: Omit<TabState, "state">): void {
    this.show(tab, { ...about, state: "refused", code: "failed", text: String(error) });
  }

  /** Notes the state of a tab, and shows it on the icon. */
  show(tab: number, state: TabState | undefined): void {
    if (tab < 0) return;
    const key = `state${tab}`;
    // The popup asks for it when this background may have been stopped and started again.
    void (state === undefined ? api.storage.session.remove(key) : api.storage.session.set({ [key]: state }));
    void badge(tab, state);
  }

  async state(tab: number): Promise<TabState | undefined> {
    const key = `state${tab}`;
    return (await api.storage.session.get(key))[key] as TabState | undefined;
  }

  forget(tab: number): void {
    void api.storage.session.remove(`state${tab}`);
    this.actions.delete(tab);
    this.prompts.cancel(tab);
  }
}

function stateOf(it: Question | PaymentRow): Omit<TabState, "state"> {
  const price: Amount = { coins: it.coins, worth: it.worth };
  return { url: it.url, vendor: it.vendor, prices: [price] };
}

/** The title of the page at this URL once a tab has loaded it; undefined if it shows another page. */
async function titleOf(tab: number, url: string): Promise<string | undefined> {
  const ends = Date.now() + TITLE_MS_MAX;
  let title: string | undefined;
  while (Date.now() < ends) {
    // It fails while the tab goes from one page to the next.
    const [found] = await api.scripting
      .executeScript({ target: { tabId: tab }, func: titleHere, args: [withoutFragment(url)] })
      .catch(() => []);
    title = found?.result?.title;
    if (found?.result?.isLoaded === true) return title;
    await wait(TITLE_SECONDS);
  }
  return title;
}

/** Runs in the page: its title, unless the page asks for payment. */
function titleHere(url: string): { title?: string; isLoaded?: boolean } {
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  if (location.href.split("#", 1)[0] !== url || navigation?.responseStatus === 402) return {};
  return { title: document.title, isLoaded: document.readyState === "complete" };
}

function stateInWords({ state, prices }: TabState): string {
  return prices.length === 0 ? say("badge_unpaid") : say(`badge_${state}`, price(prices));
}

async function badge(tab: number, state: TabState | undefined): Promise<void> {
  const [first] = state?.prices ?? [];
  const text = state?.state === "refused" ? "!" : first === undefined ? "" : short(first.coins);
  const colours = { asks: "#7a4a00", paying: "#7a4a00", paid: "#1b6b33", refused: "#9b1c1c" };
  const name = say("name");
  const title = state === undefined ? name : `${name}: ${stateInWords(state)}`;
  try {
    await api.action.setBadgeText({ tabId: tab, text });
    await api.action.setTitle({ tabId: tab, title });
    if (state !== undefined) {
      await api.action.setBadgeBackgroundColor({ tabId: tab, color: colours[state.state] });
      await api.action.setBadgeTextColor?.({ tabId: tab, color: "#ffffff" });
    }
  } catch {
    // The tab was closed meanwhile.
  }
}

/** The vendor's manifest; empty if there is none, which is no consent. */
async function manifestAt(url: string): Promise<string> {
  try {
    const answer = await fetch(url, {
      credentials: "omit",
      redirect: "error",
      cache: "no-cache",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(MANIFEST_MS_MAX),
    });
    if (answer.status !== 200) return "";
    const length = Number(answer.headers.get("content-length") ?? "0");
    if (length > MANIFEST_SIZE_MAX) return "";
    return (await answer.text()).slice(0, MANIFEST_SIZE_MAX + 1);
  } catch {
    return "";
  }
}
