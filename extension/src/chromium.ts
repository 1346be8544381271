// Paying in Chromium, where no extension can hold an answer back: the 402 arrives, a content script
// keeps it hidden, and once the page is committed (so not for a prefetch or a prerendered page) the
// core decides. A rule of declarativeNetRequest adds the payment to the next request of this tab for
// this very URL, and the tab is loaded again. The history has one entry.
//
// A worker can be stopped at any time. What must survive that is in storage.session; if even that is
// lost, the outcome of the payment is open, and the same coins are sent again.

import { api, wait } from "./api.ts";
import { startParts } from "./chromium-parts.ts";
import type { Action, Question, Send, Visit } from "./messages.ts";
import { type Head, offerIn, type Payer, type Sent, withoutFragment } from "./payer.ts";
import { addRule, conditionFor, drawRule, removeRule } from "./rules.ts";

const PAGE_TYPES = ["main_frame"];
const PAGE: chrome.webRequest.RequestFilter = { urls: ["<all_urls>"], types: ["main_frame"] };
/** How long a content script waits for a decision at most. */
const DECISION_MS_MAX = 8_000;

/** What is remembered of a tab: a 402 that is not committed yet, or a payment on its way. */
interface TabRecord {
  readonly offer?: { readonly url: string; readonly offer: string; readonly tried: readonly number[] };
  readonly sent?: Sent;
  /** The answer to the payment; its content is awaited. */
  readonly head?: Head;
}

export function startChromium(payer: Payer): void {
  const records = new Records();
  /** Those who wait for the decision about a tab. */
  const deciding = new Map<number, (action: Action) => void>();

  const settle = (tab: number, action: Action): void => {
    deciding.get(tab)?.(action);
    deciding.delete(tab);
  };

  api.webRequest.onHeadersReceived.addListener(
    (details) => {
      if (details.tabId < 0) return undefined;
      const head: Head = { status: details.statusCode, headers: details.responseHeaders ?? [] };
      const offer = offerIn(head);
      if (offer !== undefined && details.method === "GET") {
        // The content script of this page may ask before anything is decided.
        settle(details.tabId, { action: "show" });
        const promise = new Promise<Action>((resolve) => {
          deciding.set(details.tabId, resolve);
          setTimeout(() => resolve({ action: "show" }), DECISION_MS_MAX);
        });
        payer.setAction(details.tabId, details.url, promise);
      }
      void records.change(details.tabId, (record) => tryHead(details, record, head, offer));
      return undefined;
    },
    PAGE,
    ["responseHeaders", "extraHeaders"],
  );

  /** As takeHead. If the wallet fails, the page is shown, and the outcome of its payment is open. */
  const tryHead = async (...given: Parameters<typeof takeHead>): Promise<TabRecord> => {
    try {
      return await takeHead(...given);
    } catch (error) {
      const [{ tabId: tab, url }] = given;
      payer.failed(tab, error, { url, vendor: "", prices: [] });
      settle(tab, { action: "show" });
      return {};
    }
  };

  const takeHead = async (
    details: chrome.webRequest.OnHeadersReceivedDetails,
    record: TabRecord,
    head: Head,
    offer: string | undefined,
  ): Promise<TabRecord> => {
    const { tabId: tab, url } = details;
    const isAnswer =
      record.sent !== undefined &&
      record.head === undefined &&
      !record.sent.isBody &&
      record.sent.url === withoutFragment(url);
    if (!isAnswer || record.sent === undefined) {
      const isFree = offer === undefined && head.status !== 402;
      if (isFree && record.sent === undefined) payer.show(tab, undefined);
      // The tab has gone elsewhere: the outcome of its payment stays open.
      await removeRule(record.sent?.rule);
      return offer === undefined ? {} : { offer: { url, offer, tried: [] } };
    }
    const { sent } = record;
    await removeRule(sent.rule);
    const meaning = await payer.answered(sent, head, false);
    if (meaning.resend !== null) {
      void wait(meaning.resend).then(() => again(tab, sent));
      settle(tab, { action: "wait" });
      return { sent };
    }
    if (meaning.outcome === "paid") return { sent, head };
    if (meaning.otherForm === "body") {
      settle(tab, { action: "post", message: sent.header });
      return { sent: { ...sent, isBody: true } };
    }
    return offer === undefined ? {} : { offer: { url, offer, tried: sent.tried } };
  };

  const again = async (tab: number, sent: Sent): Promise<void> => {
    await records.change(tab, async (record) => {
      if (record.sent?.payment !== sent.payment || record.head !== undefined) return record;
      try {
        return { sent: await send(tab, sent) };
      } catch (error) {
        payer.failed(tab, error, { url: sent.url, vendor: "", prices: [] });
        await tell(tab, { action: "show" });
        return {};
      }
    });
  };

  api.webNavigation.onCommitted.addListener((details) => {
    if (details.frameId !== 0 || details.documentLifecycle === "prerender") return;
    const { tabId: tab, url } = details;
    const isAgain =
      details.transitionType === "reload" ||
      details.transitionQualifiers.includes("forward_back");
    void records.change(tab, async (record) => {
      const { offer } = record;
      if (offer === undefined || withoutFragment(offer.url) !== withoutFragment(url)) return record;
      const { incognito: isPrivate } = await api.tabs.get(tab);
      const kind = isAgain ? "again" : "opened";
      return await pay(tab, offer.url, offer.offer, { kind, isPrivate, tried: offer.tried });
    });
  });

  const pay = async (tab: number, url: string, offer: string, visit: Visit): Promise<TabRecord> => {
    try {
      const verdict = await payer.decide(url, offer, visit);
      if (verdict.verdict === "send") return await sendNow(tab, url, offer, visit, verdict);
      if (verdict.verdict === "ask") {
        // Not awaited: the owner may take minutes, and the tab can go elsewhere.
        void askAndPay(tab, url, offer, visit, verdict);
      } else if (verdict.verdict === "refuse") {
        payer.refused(tab, verdict, url);
      }
    } catch (error) {
      payer.failed(tab, error, { url, vendor: "", prices: [] });
    }
    settle(tab, { action: "show" });
    return {};
  };

  const sendNow = async (
    tab: number,
    url: string,
    offer: string,
    visit: Visit,
    verdict: Send,
  ): Promise<TabRecord> => {
    const target = withoutFragment(url);
    const condition = verdict.fitsHeader ? await conditionFor(tab, target, PAGE_TYPES) : undefined;
    const sent = payer.sent(verdict, target, offer, visit.tried);
    if (condition === undefined) {
      const action: Action = { action: "post", message: sent.header };
      if (deciding.has(tab)) settle(tab, action);
      else await tell(tab, action);
      return { sent: { ...sent, isBody: true } };
    }
    settle(tab, { action: "wait" });
    return { sent: await send(tab, sent) };
  };

  const askAndPay = async (
    tab: number,
    url: string,
    offer: string,
    visit: Visit,
    question: Question,
  ): Promise<void> => {
    const isAgreed = await payer.ask(tab, question);
    if (!isAgreed) return;
    await records.change(tab, async (record) => {
      const here = (await api.tabs.get(tab)).url ?? "";
      if (withoutFragment(here) !== withoutFragment(url)) return record;
      return await pay(tab, url, offer, { ...visit, agreed: question.coins });
    });
  };

  api.webRequest.onCompleted.addListener((details) => {
    void records.change(details.tabId, async (record) => {
      const { sent, head } = record;
      if (sent === undefined || head === undefined) return record;
      if (sent.url !== withoutFragment(details.url)) return record;
      await payer.answered(sent, head, true);
      payer.paid(details.tabId, sent);
      return {};
    });
  }, PAGE);

  api.tabs.onRemoved.addListener((tab) => {
    void records.change(tab, async (record) => {
      await removeRule(record.sent?.rule);
      return {};
    });
    payer.forget(tab);
  });

  payer.onPosted = async (tab, url, head) => {
    let next: "reload" | "show" = "show";
    await records.change(tab, async (record) => {
      const { sent } = record;
      if (sent === undefined || !sent.isBody || sent.url !== withoutFragment(url)) return record;
      const meaning = await payer.answered(sent, head, true);
      if (meaning.outcome === "paid") {
        next = "reload";
        payer.paid(tab, sent);
      }
      return {};
    });
    return next;
  };

  startParts(payer);
  void removeStaleRules(records);
}

/** Loads the tab again with the payment. */
async function send(tab: number, sent: Sent): Promise<Sent> {
  const condition = await conditionFor(tab, sent.url, PAGE_TYPES);
  if (condition === undefined) return sent;
  const rule = drawRule();
  await addRule(rule, sent.header, condition);
  try {
    await api.tabs.reload(tab);
  } catch (error) {
    // The next visit must not pay without a decision.
    await removeRule(rule);
    throw error;
  }
  return { ...sent, rule };
}

/** Removes the rules of payments that nobody awaits any more. */
async function removeStaleRules(records: Records): Promise<void> {
  const [rules, awaited] = await Promise.all([
    api.declarativeNetRequest.getSessionRules(),
    records.rules(),
  ]);
  for (const { id } of rules.filter((it) => !awaited.has(it.id))) await removeRule(id);
}

async function tell(tab: number, action: Action): Promise<void> {
  await api.tabs.sendMessage(tab, { to: "page", ...action }, { frameId: 0 }).catch(() => undefined);
}

/** What is remembered of tabs, in storage.session. Changes to one tab are made one after the other. */
class Records {
  private readonly queues = new Map<number, Promise<void>>();
  private readonly held = new Map<number, TabRecord>();

  async get(tab: number): Promise<TabRecord> {
    const held = this.held.get(tab);
    if (held !== undefined) return held;
    const key = `tab${tab}`;
    const found = await api.storage.session.get(key);
    return (found[key] as TabRecord | undefined) ?? {};
  }

  /** The rules that are in use. */
  async rules(): Promise<Set<number>> {
    const all = Object.entries(await api.storage.session.get(null));
    const records = all.filter(([key]) => key.startsWith("tab")).map(([, value]) => value as TabRecord);
    return new Set(records.flatMap((it) => it.sent?.rule ?? []));
  }

  change(tab: number, act: (record: TabRecord) => Promise<TabRecord>): Promise<void> {
    const before = this.queues.get(tab) ?? Promise.resolve();
    const done = before
      .then(async () => {
        const record = await this.get(tab);
        const next = await act(record);
        if (next === record) return;
        this.held.set(tab, next);
        const key = `tab${tab}`;
        if (Object.keys(next).length === 0) await api.storage.session.remove(key);
        else await api.storage.session.set({ [key]: next });
      })
      .catch((error: unknown) => console.error("MicroMint:", error));
    this.queues.set(tab, done);
    return done;
  }
}

