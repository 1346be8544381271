// Paying in Firefox: a blocking listener holds the 402 back, has the core decide, and asks for the
// same URL again with the payment in a header. So a 402 that is paid for is never shown, and the
// history has one entry. The same works for images, films, frames and requests of scripts.

import { api, now, wait } from "./api.ts";
import { fromBase64Url } from "./base64.ts";
import type { Visit } from "./messages.ts";
import { type Head, offerIn, type Payer, type Sent, withoutFragment } from "./payer.ts";

/** Types of requests that may be paid for. Never those that nobody sees: prefetch, beacon, ping. */
const PARTS = ["sub_frame", "image", "media", "object", "xmlhttprequest", "script", "stylesheet", "font"];
const TYPES = ["main_frame", ...PARTS] as chrome.webRequest.ResourceType[];

/** How long a site may send nothing of its answer to a POST. */
const SILENT_MS_MAX = 60_000;
/** The errors of a request that a player has broken off. */
const BROKEN_OFF = new Set(["NS_BINDING_ABORTED", "NS_ERROR_PARSED_DATA_CACHED"]);

type Details = chrome.webRequest.OnHeadersReceivedDetails & {
  readonly incognito?: boolean;
  readonly cookieStoreId?: string;
  readonly originUrl?: string;
  readonly documentUrl?: string;
  readonly frameAncestors?: readonly { readonly url: string }[];
};

interface OnItsWay {
  readonly sent: Sent;
  /** Whether the answer was taken and only the content is awaited. */
  head: Head | undefined;
}

/** A POST from here on its way. */
interface Post {
  /** The tab that waits for it. */
  readonly tab: number;
  readonly stop: AbortController;
  readonly cookie: string;
  head: Head | undefined;
  readonly done: Promise<void>;
}

export function startFirefox(payer: Payer): void {
  const sent = new Map<string, OnItsWay>();
  /** Requests for later, which nobody looks at. */
  const unseen = new Set<string>();
  /** The cookies that the requests for pages had. */
  const cookies = new Map<string, string>();
  /** Receipts that came with a POST from here, for the request of the tab. */
  const receipts = new Map<string, string[]>();
  /** POSTs from here, by URL. */
  const posts = new Map<string, Post>();
  const agreed = new Map<number, { url: string; price: number }>();
  const pages = new Map<number, { url: string; since: number }>();

  api.webRequest.onBeforeSendHeaders.addListener(
    (details) => {
      const headers = details.requestHeaders ?? [];
      const post = ownPost(details);
      if (post !== undefined) {
        return { requestHeaders: [...headers.filter((it) => !isCookie(it)), ...cookieHeader(post.cookie)] };
      }
      if (headers.some((it) => it.name.toLowerCase() === "sec-purpose")) unseen.add(details.requestId);
      const cookie = headers.find(isCookie)?.value;
      if (cookie !== undefined && details.type === "main_frame") cookies.set(details.requestId, cookie);
      const receipt = receipts.get(details.requestId);
      if (receipt !== undefined) {
        const pairs = receipt.map((it) => it.split(";", 1)[0] ?? "");
        const all = [cookie, ...pairs].filter((it) => it !== undefined && it !== "").join("; ");
        return { requestHeaders: [...headers.filter((it) => !isCookie(it)), ...cookieHeader(all)] };
      }
      const found = sent.get(details.requestId);
      // The number of a request outlives redirects: never give coins to another address.
      if (found === undefined || found.head !== undefined || found.sent.url !== details.url) return {};
      return { requestHeaders: [...headers, { name: "MicroMint-Payment", value: found.sent.header }] };
    },
    { urls: ["<all_urls>"], types: TYPES },
    ["blocking", "requestHeaders"],
  );

  /** A request that this background makes itself. */
  const ownPost = (details: { tabId: number; method: string; url: string; originUrl?: string }): Post | undefined =>
    details.tabId === -1 && details.method === "POST" && details.originUrl?.startsWith(api.runtime.getURL("")) === true
      ? posts.get(details.url)
      : undefined;

  // A blocking listener may return a promise in Firefox, which Chromium's types do not know.
  const onHeaders = async (details: Details): Promise<chrome.webRequest.BlockingResponse> => {
    try {
      return await take(details);
    } catch (error) {
      // The answer is shown as it is. The outcome of a payment stays open.
      const { tabId, type, url } = details;
      if (type === "main_frame") payer.failed(tabId, error, { url, vendor: "", prices: [] });
      return {};
    }
  };

  const take = async (details: Details): Promise<chrome.webRequest.BlockingResponse> => {
    const head: Head = { status: details.statusCode, headers: details.responseHeaders ?? [] };
    const post = ownPost(details);
    if (post !== undefined) {
      post.head = head;
      return {};
    }
    const receipt = receipts.get(details.requestId);
    if (receipt !== undefined && head.status !== 402) {
      // Into the cookies of this tab, whichever container it is in.
      receipts.delete(details.requestId);
      arrived(details);
      const kept = receipt.map((value) => ({ name: "Set-Cookie", value }));
      return { responseHeaders: [...head.headers, ...kept] };
    }
    const again = sent.get(details.requestId);
    if (again !== undefined && again.head === undefined && again.sent.url === details.url) {
      return await takeAnswer(details, again, head);
    }
    const offer = offerIn(head);
    if (offer === undefined) {
      if (details.type === "main_frame") {
        arrived(details);
        payer.show(details.tabId, undefined);
      }
      return {};
    }
    if (details.method !== "GET" || unseen.has(details.requestId)) return {};
    return await pay(details, offer, []);
  };

  /** Notes a page that is about to be shown, before its parts are asked for. */
  const arrived = ({ type, tabId, url }: Details): void => {
    if (type !== "main_frame") return;
    pages.set(tabId, { url, since: now() });
    agreed.delete(tabId);
  };

  const takeAnswer = async (
    details: Details,
    it: OnItsWay,
    head: Head,
  ): Promise<chrome.webRequest.BlockingResponse> => {
    const meaning = await payer.answered(it.sent, head, false);
    if (meaning.resend !== null) {
      const prices = [{ coins: it.sent.coins, worth: null }];
      payer.show(details.tabId, { url: details.url, vendor: "", prices, state: "paying" });
      await wait(meaning.resend);
      return { redirectUrl: details.url };
    }
    if (meaning.outcome === "paid") {
      it.head = head;
      arrived(details);
      return {};
    }
    sent.delete(details.requestId);
    if (meaning.otherForm === "body" && details.type === "main_frame") {
      return await postFromHere(details, { ...it.sent, isBody: true });
    }
    const offer = offerIn(head);
    if (offer === undefined) return {};
    return await pay(details, offer, it.sent.tried);
  };

  const pay = async (
    details: Details,
    offer: string,
    tried: readonly number[],
  ): Promise<chrome.webRequest.BlockingResponse> => {
    const { tabId: tab, url } = details;
    const isPage = details.type === "main_frame";
    const visit = visitOf(details, tried);
    if (visit === undefined) return {};
    const verdict = await payer.decide(url, offer, visit);
    if (verdict.verdict === "send") {
      const next = payer.sent(verdict, url, offer, tried);
      if (verdict.fitsHeader) {
        sent.set(details.requestId, { sent: next, head: undefined });
        return { redirectUrl: url };
      }
      return isPage ? await postFromHere(details, next) : {};
    }
    if (!isPage) return {};
    if (verdict.verdict === "refuse") {
      payer.refused(tab, verdict, url);
    } else if (verdict.verdict === "ask") {
      const question = verdict;
      // The page for people is shown meanwhile.
      void payer.ask(tab, question).then((isAgreed) => {
        if (!isAgreed) return;
        agreed.set(tab, { url: withoutFragment(url), price: question.coins });
        // Without a reload there is nothing that was agreed to.
        return api.tabs.reload(tab).catch(() => void agreed.delete(tab));
      });
    }
    return {};
  };

  /**
   * Sends a payment that is too long for a header in a POST, while the request of the tab waits. (A
   * content script cannot: the page's own policy forbids its requests.) The POST has the cookies of
   * the tab, and the receipt that comes goes to the tab.
   */
  const postFromHere = async (details: Details, it: Sent): Promise<chrome.webRequest.BlockingResponse> => {
    const { url, requestId } = details;
    // Several tabs at once: the others send the same message again afterwards, one by one.
    for (let before = posts.get(url); before !== undefined; before = posts.get(url)) await before.done;
    let finish = (): void => undefined;
    const done = new Promise<void>((resolve) => (finish = resolve));
    const stop = new AbortController();
    const cookie = cookies.get(requestId) ?? "";
    const post: Post = { tab: details.tabId, stop, cookie, head: undefined, done };
    posts.set(url, post);
    try {
      await postWhole(url, fromBase64Url(it.header), stop);
    } catch {
      post.head = undefined;
    }
    posts.delete(url);
    finish();
    if (post.head === undefined) return {};
    const meaning = await payer.answered(it, post.head, true);
    if (meaning.resend !== null) {
      await wait(meaning.resend);
      return await postFromHere(details, it);
    }
    if (meaning.outcome !== "paid") {
      const prices = [{ coins: it.coins, worth: null }];
      const text = meaning.reason ?? "";
      payer.show(details.tabId, { url, vendor: "", prices, state: "refused", code: "notTaken", text });
      return {};
    }
    receipts.set(requestId, receiptsIn(post.head));
    payer.paid(details.tabId, it);
    return { redirectUrl: url };
  };

  const visitOf = (details: Details, tried: readonly number[]): Visit | undefined => {
    const isPrivate = details.incognito === true;
    if (details.type !== "main_frame") {
      const page = pages.get(details.tabId);
      if (page === undefined) return undefined;
      // A frame within a frame of another site is not part of the page.
      const ancestors = details.frameAncestors ?? [];
      const top = ancestors.at(-1)?.url ?? details.documentUrl;
      if (top !== undefined && origin(top) !== origin(page.url)) return undefined;
      return { kind: "part", isPrivate, page: page.url, pageSince: page.since, tried };
    }
    // An agreement is for one visit, whatever becomes of it.
    const found = agreed.get(details.tabId);
    agreed.delete(details.tabId);
    const isAgreed = found !== undefined && found.url === withoutFragment(details.url);
    // Firefox does not say here whether this is a reload, so a page that was paid for before is
    // always asked about once its receipt has expired.
    const visit: Visit = { kind: "again", isPrivate, tried };
    return isAgreed ? { ...visit, agreed: found.price } : visit;
  };

  api.webRequest.onHeadersReceived.addListener(
    onHeaders as unknown as (details: chrome.webRequest.OnHeadersReceivedDetails) => undefined,
    { urls: ["<all_urls>"], types: TYPES },
    ["blocking", "responseHeaders"],
  );

  const finish = (details: { readonly requestId: string; readonly tabId: number; readonly url: string; readonly type: string }, isWhole: boolean): void => {
    unseen.delete(details.requestId);
    cookies.delete(details.requestId);
    receipts.delete(details.requestId);
    const found = sent.get(details.requestId);
    if (found === undefined) return;
    sent.delete(details.requestId);
    if (!isWhole || found.head === undefined) return;
    const { head } = found;
    void payer.answered(found.sent, head, true).then(() => {
      if (details.type === "main_frame") payer.paid(details.tabId, found.sent);
    });
  };
  const all = { urls: ["<all_urls>"], types: TYPES };
  api.webRequest.onCompleted.addListener((details) => finish(details, true), all);
  // A player takes as much as it needs, and goes on with the receipt later.
  api.webRequest.onErrorOccurred.addListener(
    (details) => finish(details, details.type === "media" && BROKEN_OFF.has(details.error)),
    all,
  );
  api.tabs.onRemoved.addListener((tab) => {
    agreed.delete(tab);
    pages.delete(tab);
    // Nobody waits any more, and another tab may. (Firefox reports no end of a request that waits.)
    for (const it of posts.values()) if (it.tab === tab) it.stop.abort();
  });
}

/** Sends a payment in a POST. Resolves when the answer has arrived as a whole. */
async function postWhole(
  url: string,
  body: Uint8Array<ArrayBuffer>,
  stop: AbortController,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const listen = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), SILENT_MS_MAX);
  };
  listen();
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/x-micromint", Accept: "text/html, */*" },
      body,
      credentials: "omit",
      redirect: "manual",
      cache: "no-store",
      signal: stop.signal,
    });
    const reader = answer.body?.getReader();
    while (reader !== undefined && !(await reader.read()).done) listen();
  } finally {
    clearTimeout(timer);
  }
}

/** The receipts among the cookies of an answer. */
function receiptsIn(head: Head): string[] {
  return head.headers
    .filter((it) => it.name.toLowerCase() === "set-cookie")
    .flatMap((it) => (it.value ?? "").split("\n"))
    .filter((it) => it.startsWith("micromint-"));
}

function isCookie(it: chrome.webRequest.HttpHeader): boolean {
  return it.name.toLowerCase() === "cookie";
}

function cookieHeader(value: string): chrome.webRequest.HttpHeader[] {
  return value === "" ? [] : [{ name: "Cookie", value }];
}

function origin(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return "";
  }
}
