// Parts of a page in Chromium: images, films, frames and requests of scripts that cost something. Their
// 402 has arrived and cannot be held back, so a rule adds the payment to the next request for the same
// URL.
//
// An element is loaded again by the wallet. A request of a script (fetch, XMLHttpRequest) has failed,
// and only the script can repeat it: a wallet that did, by replacing fetch, would be seen by every
// page. So the wallet pays when a script that got the 402 asks a second time, which shows that it
// repeats; the third request has the payment. Styles and fonts are not repeated by anybody; a receipt
// for a path covers them.

import { api, now } from "./api.ts";
import { type Head, offerIn, type Payer, type Sent, withoutFragment } from "./payer.ts";
import { addRule, conditionFor, drawRule, PAYMENT_HEADER, removeRule } from "./rules.ts";

const SCRIPTED = "xmlhttprequest";
const MEDIA = "media";
const TYPES = ["image", MEDIA, "sub_frame", SCRIPTED] as chrome.webRequest.ResourceType[];
/** How many parts are on their way at most. */
const PARTS_MAX = 50;
/** How many requests of scripts that got a 402 are remembered at most, and for how long. */
const REPEATS_MAX = 200;
const REPEAT_MS = 30_000;
/** How long a rule waits for a request. */
const RULE_MS = 60_000;
/** The errors of a request that a player has broken off. One of the network has a name of its own. */
const BROKEN_OFF = new Set(["net::ERR_ABORTED", "net::ERR_FAILED"]);

interface Part {
  readonly rule: number;
  readonly sent: Sent;
  /** The requests that carry the payment. Others for the same URL may have been sent before. */
  readonly carried: Set<string>;
  /** The first answer to one of them. */
  answer?: { readonly request: string; readonly head: Head };
}

export function startParts(payer: Payer): void {
  const parts = new Map<string, Part>();
  const deciding = new Set<string>();
  const pages = new Map<number, { url: string; since: number }>();
  /** When a script got a 402 that nothing was paid for yet. */
  const repeats = new Map<string, number>();
  const keyOf = (tab: number, url: string): string => `${tab} ${withoutFragment(url)}`;

  api.webNavigation.onCommitted.addListener(({ tabId, frameId, url, documentLifecycle }) => {
    if (frameId === 0 && documentLifecycle === "active") pages.set(tabId, { url, since: now() });
  });
  api.tabs.onRemoved.addListener((tab) => void pages.delete(tab));

  api.webRequest.onSendHeaders.addListener(
    (details) => {
      const part = parts.get(keyOf(details.tabId, details.url));
      const headers = details.requestHeaders ?? [];
      const isCarried = headers.some((it) => it.name.toLowerCase() === PAYMENT_HEADER.toLowerCase());
      if (isCarried) part?.carried.add(details.requestId);
    },
    { urls: ["<all_urls>"], types: TYPES },
    ["requestHeaders"],
  );

  api.webRequest.onHeadersReceived.addListener(
    (details) => {
      const head: Head = { status: details.statusCode, headers: details.responseHeaders ?? [] };
      const key = keyOf(details.tabId, details.url);
      const part = parts.get(key);
      if (part?.carried.has(details.requestId)) run(takeAnswer(key, part, details.requestId, head));
      else if (part === undefined) run(pay(details, key, head));
      return undefined;
    },
    { urls: ["<all_urls>"], types: TYPES },
    ["responseHeaders", "extraHeaders"],
  );

  const pay = async (
    details: chrome.webRequest.OnHeadersReceivedDetails,
    key: string,
    head: Head,
  ): Promise<void> => {
    const { tabId: tab, url } = details;
    const offer = offerIn(head);
    if (tab < 0) return;
    const page = pages.get(tab);
    const isOwn = page !== undefined && isOfPage(details, page.url);
    if (offer === undefined || details.method !== "GET" || !isOwn) return;
    if (details.documentLifecycle === "prerender" || deciding.has(key) || parts.size >= PARTS_MAX) return;
    if (details.type === SCRIPTED && !isRepeated(repeats, key)) return;
    deciding.add(key);
    try {
      const { incognito: isPrivate } = await api.tabs.get(tab);
      const verdict = await payer.decide(url, offer, {
        kind: "part", isPrivate, page: page.url, pageSince: page.since, tried: [],
      });
      if (verdict.verdict !== "send" || !verdict.fitsHeader) return;
      const target = withoutFragment(url);
      const condition = await conditionFor(tab, target, [details.type]);
      if (condition === undefined) return;
      const sent = payer.sent(verdict, target, offer, []);
      await send(key, tab, { rule: drawRule(), sent, carried: new Set() }, condition);
    } finally {
      deciding.delete(key);
    }
  };

  const send = async (
    key: string,
    tab: number,
    part: Part,
    condition: chrome.declarativeNetRequest.RuleCondition,
  ): Promise<void> => {
    // Before the rule is there: the page may ask for the part at any moment.
    parts.set(key, part);
    // A part that nobody asks for again leaves the outcome open, and no rule behind.
    setTimeout(() => run(end(key, part)), RULE_MS);
    try {
      await addRule(part.rule, part.sent.header, condition);
      if (condition.resourceTypes?.some((it) => it === SCRIPTED)) return;
      await api.scripting.executeScript({
        target: { tabId: tab, frameIds: [0] },
        func: loadAgain,
        args: [part.sent.url],
      });
    } catch (error) {
      await end(key, part);
      throw error;
    }
  };

  const takeAnswer = async (
    key: string,
    part: Part,
    request: string,
    head: Head,
  ): Promise<void> => {
    if (part.answer !== undefined) return;
    part.answer = { request, head };
    const meaning = await payer.answered(part.sent, head, false);
    // Parts are not sent again by themselves: the next time that the page is opened they are.
    if (meaning.outcome !== "paid") await end(key, part);
  };

  const end = async (key: string, part: Part): Promise<void> => {
    if (parts.get(key) === part) parts.delete(key);
    await removeRule(part.rule);
  };

  const finish = async (
    details: { readonly tabId: number; readonly url: string; readonly requestId: string },
    isWhole: boolean,
  ): Promise<void> => {
    const key = keyOf(details.tabId, details.url);
    const part = parts.get(key);
    if (part?.answer === undefined || part.answer.request !== details.requestId) return;
    try {
      if (isWhole) await payer.answered(part.sent, part.answer.head, true);
    } finally {
      await end(key, part);
    }
  };
  const all = { urls: ["<all_urls>"], types: TYPES };
  api.webRequest.onCompleted.addListener((details) => run(finish(details, true)), all);
  // A player takes as much as it needs, and goes on with the receipt later.
  api.webRequest.onErrorOccurred.addListener(
    (details) => run(finish(details, details.type === MEDIA && BROKEN_OFF.has(details.error))),
    all,
  );
}

/** Goes on without waiting. A failure leaves the part as the page shows it, and its outcome open. */
function run(done: Promise<void>): void {
  done.catch((error: unknown) => console.error("MicroMint:", error));
}

/** Whether a script asked for the same a moment ago and got a 402. Notes that it did now. */
function isRepeated(repeats: Map<string, number>, key: string): boolean {
  const before = repeats.get(key);
  repeats.delete(key);
  if (before !== undefined && Date.now() < before + REPEAT_MS) return true;
  const [oldest] = repeats.keys();
  if (repeats.size >= REPEATS_MAX && oldest !== undefined) repeats.delete(oldest);
  repeats.set(key, Date.now());
  return false;
}

/** Whether the page itself shows this part, and not a frame of another site in it. */
function isOfPage(details: chrome.webRequest.OnHeadersReceivedDetails, page: string): boolean {
  const parent = details.type === "sub_frame" ? details.parentFrameId : details.frameId;
  try {
    return parent === 0 && details.initiator === new URL(page).origin;
  } catch {
    return false;
  }
}

/** Runs in the page: has the elements with this address ask for it again. */
function loadAgain(url: string): void {
  const is = (address: string): boolean => address.split("#", 1)[0] === url;
  for (const image of document.querySelectorAll("img")) {
    if (is(image.currentSrc || image.src)) image.src = image.src;
  }
  for (const media of document.querySelectorAll<HTMLMediaElement>("audio, video")) {
    const sources = [...media.querySelectorAll("source")].map((it) => it.src);
    if ([media.currentSrc, media.src, ...sources].some(is)) media.load();
  }
  for (const frame of document.querySelectorAll("iframe")) {
    if (is(frame.src)) frame.src = frame.src;
  }
}
