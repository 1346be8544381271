// Prices on links, if the owner has switched them on: what a link costs, asked of the site that shows
// it, without cookies. The site's public price list comes first; for what is not in it, HEAD. A site
// without a manifest sells nothing, and is not asked again for an hour.

import { api, now } from "./api.ts";
import type { Hint } from "./messages.ts";
import { deciding, entriesOf, type Entry, LIST_SIZE_MAX } from "./prices.ts";
import type { Wallet } from "./wallet.ts";

/** The content script that marks links. It is registered only while the owner wants that. */
export const LINKS_SCRIPT = "links";
const MANIFEST_SIZE_MAX = 64 * 1024;
/** How many sites are remembered at most, and for how many seconds. */
const SITES_MAX = 32;
const SITE_SECONDS = 3600;
/** How many pages are remembered at most, and for how many seconds. */
const PAGES_MAX = 200;
const PAGE_SECONDS = 300;
/** The shortest time between two HEAD requests to a site, and how long one waits for its turn at most. */
const HEAD_MS = 1000;
const TURN_MS_MAX = 3000;
/** How long a site may take to answer. */
const ANSWER_MS_MAX = 10_000;

/** A site that sells. */
interface Site {
  readonly vendor: string;
  /** What a coin is worth. */
  readonly value: string;
  readonly entries: readonly Entry[];
  /** When HEAD may be sent again, in milliseconds. */
  nextHead: number;
}

interface Kept<T> {
  readonly until: number;
  readonly value: T;
}

export class Hints {
  private readonly sites = new Map<string, Kept<Promise<Site | undefined>>>();
  private readonly pages = new Map<string, Kept<string | undefined>>();

  constructor(private readonly wallet: Wallet) {}

  /** What to say about a link of a page; null if nothing. */
  async hint(sender: chrome.runtime.MessageSender, address: string): Promise<Hint | null> {
    const url = new URL(address);
    url.hash = "";
    const isOwn = sender.url !== undefined && new URL(sender.url).origin === url.origin;
    if (!isOwn || sender.tab?.incognito === true || !/^https?:$/.test(url.protocol)) return null;
    if (!(await isOn())) return null;
    const said = await this.said(url);
    if (said === undefined) return null;
    const command = { do: "hint", url: url.href, said, now: now() };
    const { value } = await this.wallet.call<Hint>(command);
    return value.isSmall ? null : value;
  }

  /** What the site says about the price. */
  private async said(url: URL): Promise<object | undefined> {
    const site = await this.site(url.origin);
    if (site === undefined) return undefined;
    const entry = deciding(site.entries, url.pathname);
    if (entry?.coins === 0) return undefined;
    if (entry !== undefined) {
      const value = entry.value ?? site.value;
      return { listed: { vendor: site.vendor, coins: entry.coins, value } };
    }
    const request = await this.head(site, url.href);
    return request === undefined ? undefined : { request };
  }

  private site(origin: string): Promise<Site | undefined> {
    const kept = this.sites.get(origin);
    if (kept !== undefined && now() < kept.until) return kept.value;
    const value = siteAt(origin);
    keep(this.sites, SITES_MAX, origin, { until: now() + SITE_SECONDS, value });
    return value;
  }

  private async head(site: Site, url: string): Promise<string | undefined> {
    const kept = this.pages.get(url);
    if (kept !== undefined && now() < kept.until) return kept.value;
    const turn = Math.max(Date.now(), site.nextHead);
    if (turn > Date.now() + TURN_MS_MAX) return undefined;
    site.nextHead = turn + HEAD_MS;
    await new Promise((resolve) => setTimeout(resolve, turn - Date.now()));
    const answer = await get(url, "HEAD");
    const isPriced = answer?.status === 402;
    const value = (isPriced ? answer.headers.get("MicroMint-Request") : undefined) ?? undefined;
    keep(this.pages, PAGES_MAX, url, { until: now() + PAGE_SECONDS, value });
    return value;
  }
}

/** Whether the owner wants prices on links. */
async function isOn(): Promise<boolean> {
  return (await api.scripting.getRegisteredContentScripts({ ids: [LINKS_SCRIPT] })).length > 0;
}

/** Keeps a value. The oldest one goes when there are too many. */
function keep<T>(all: Map<string, Kept<T>>, most: number, key: string, it: Kept<T>): void {
  all.delete(key);
  const [oldest] = all.keys();
  if (all.size >= most && oldest !== undefined) all.delete(oldest);
  all.set(key, it);
}

async function siteAt(origin: string): Promise<Site | undefined> {
  const manifest = await textAt(`${origin}/.well-known/micromint`, MANIFEST_SIZE_MAX);
  if (manifest === undefined) return undefined;
  try {
    const found = JSON.parse(manifest) as { "vendor-id"?: unknown; periods?: unknown };
    const [first] = Array.isArray(found.periods) ? (found.periods as unknown[]) : [];
    const value = (first as { "coin-value"?: unknown } | undefined)?.["coin-value"];
    const vendor = found["vendor-id"];
    if (typeof vendor !== "string" || typeof value !== "string") return undefined;
    const list = await textAt(`${origin}/.well-known/micromint/prices`, LIST_SIZE_MAX);
    return { vendor, value, entries: list === undefined ? [] : entriesOf(list), nextHead: 0 };
  } catch {
    return undefined;
  }
}

/** The text at a URL with status 200, if it is not longer than `most` bytes. */
async function textAt(url: string, most: number): Promise<string | undefined> {
  const answer = await get(url, "GET");
  if (answer?.status !== 200 || answer.body === null) return undefined;
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      size += value.length;
      if (size > most) {
        await reader.cancel();
        return undefined;
      }
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    return undefined;
  }
}

async function get(url: string, method: "GET" | "HEAD"): Promise<Response | undefined> {
  try {
    return await fetch(url, {
      method,
      headers: { Accept: "text/html, application/json, */*" },
      credentials: "omit",
      redirect: "manual",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
  } catch {
    return undefined;
  }
}
