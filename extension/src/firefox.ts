// Paying in Firefox: a blocking listener holds the 402 back, has the core decide, and asks for the
// same URL again with the payment in a header. So a 402 that is paid for is never shown, and the
// history has one entry. The same works for images, films, frames and requests of scripts.

import { api } from "./api.ts";
import type { Action, Visit } from "./messages.ts";
import { type Head, offerIn, type Payer, type Sent, stateOf, withoutFragment } from "./payer.ts";

/** Types of requests that may be paid for. Never those that nobody sees: prefetch, beacon, ping. */
const PARTS = ["sub_frame", "image", "media", "object", "xmlhttprequest", "script", "stylesheet", "font"];
const TYPES = ["main_frame", ...PARTS] as chrome.webRequest.ResourceType[];

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

export function startFirefox(payer: Payer): void {
  const sent = new Map<string, OnItsWay>();
  /** Requests for later, which nobody looks at. */
  const unseen = new Set<string>();
  /** Payments that a content script posts, by tab. */
  const bodies = new Map<number, Sent>();
  const agreed = new Map<number, { url: string; price: number }>();
  const pages = new Map<number, { url: string; since: number }>();

  api.webRequest.onBeforeSendHeaders.addListener(
    (details) => {
      const purpose = details.requestHeaders?.find((it) => it.name.toLowerCase() === "sec-purpose");
      if (purpose !== undefined) unseen.add(details.requestId);
      const found = sent.get(details.requestId);
      // The number of a request outlives redirects: never give coins to another address.
      if (found === undefined || found.head !== undefined || found.sent.url !== details.url) return {};
      return {
        requestHeaders: [
          ...(details.requestHeaders ?? []),
          { name: "MicroMint-Payment", value: found.sent.header },
        ],
      };
    },
    { urls: ["<all_urls>"], types: TYPES },
    ["blocking", "requestHeaders"],
  );

  // A blocking listener may return a promise in Firefox, which Chromium's types do not know.
  const onHeaders = async (details: Details): Promise<chrome.webRequest.BlockingResponse> => {
    const head: Head = { status: details.statusCode, headers: details.responseHeaders ?? [] };
    const again = sent.get(details.requestId);
    if (again !== undefined && again.head === undefined && again.sent.url === details.url) {
      return await takeAnswer(details, again, head);
    }
    const offer = offerIn(head);
    if (offer === undefined) {
      if (details.type === "main_frame") {
        pages.set(details.tabId, { url: details.url, since: Math.floor(Date.now() / 1000) });
        payer.show(details.tabId, undefined);
      }
      return {};
    }
    if (details.method !== "GET" || unseen.has(details.requestId)) return {};
    return await pay(details, offer, []);
  };

  const takeAnswer = async (
    details: Details,
    it: OnItsWay,
    head: Head,
  ): Promise<chrome.webRequest.BlockingResponse> => {
    const meaning = await payer.answered(it.sent, head, false);
    if (meaning.resend !== null) {
      payer.show(details.tabId, { ...stateOf({ vendor: "", price: `${it.sent.coins}` }, details.url), state: "paying" });
      await new Promise((resolve) => setTimeout(resolve, (meaning.resend ?? 0) * 1000));
      return { redirectUrl: details.url };
    }
    if (meaning.outcome === "paid") {
      it.head = head;
      return {};
    }
    sent.delete(details.requestId);
    if (meaning.otherForm === "body" && details.type === "main_frame") {
      const action: Action = { action: "post", message: it.sent.header };
      bodies.set(details.tabId, { ...it.sent, isBody: true });
      payer.setAction(details.tabId, details.url, Promise.resolve(action));
      return {};
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
      if (isPage) agreed.delete(tab);
      if (verdict.fitsHeader) {
        sent.set(details.requestId, { sent: next, head: undefined });
        return { redirectUrl: url };
      }
      if (isPage) {
        bodies.set(tab, next);
        payer.setAction(tab, url, Promise.resolve({ action: "post", message: next.header }));
      }
      return {};
    }
    if (!isPage) return {};
    if (verdict.verdict === "refuse") {
      const { code, text } = verdict;
      payer.show(tab, { ...stateOf(verdict, url), state: "refused", code, text });
    } else if (verdict.verdict === "ask") {
      const question = verdict;
      // The page for people is shown meanwhile.
      void payer.ask(tab, question).then((isAgreed) => {
        if (!isAgreed) return;
        agreed.set(tab, { url: withoutFragment(url), price: question.coins });
        return api.tabs.reload(tab);
      });
    }
    return {};
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
    const found = agreed.get(details.tabId);
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
    const found = sent.get(details.requestId);
    if (found === undefined) return;
    sent.delete(details.requestId);
    if (!isWhole || found.head === undefined) return;
    const { head } = found;
    void payer.answered(found.sent, head, true).then(() => {
      if (details.type !== "main_frame") return;
      pages.set(details.tabId, { url: details.url, since: Math.floor(Date.now() / 1000) });
      payer.paid(details.tabId, found.sent);
    });
  };
  const all = { urls: ["<all_urls>"], types: TYPES };
  api.webRequest.onCompleted.addListener((details) => finish(details, true), all);
  api.webRequest.onErrorOccurred.addListener((details) => finish(details, false), all);
  api.tabs.onRemoved.addListener((tab) => {
    agreed.delete(tab);
    pages.delete(tab);
    bodies.delete(tab);
  });

  payer.onPosted = async (tab, url, head) => {
    const found = bodies.get(tab);
    if (found === undefined || found.url !== withoutFragment(url)) return "show";
    bodies.delete(tab);
    const meaning = await payer.answered(found, head, true);
    if (meaning.outcome !== "paid") return "show";
    payer.paid(tab, found);
    return "reload";
  };
}

function origin(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return "";
  }
}
