// Coins that a broker's page offers: an answer with the header MicroMint-Coins names where the
// Funds-Withdrawn message is. The wallet fetches it within the page, whose login it needs, stores it,
// and then acknowledges it. A crash in between loses nothing: the broker offers it until then.

import { short } from "./amounts.ts";
import { api, isFirefox, now, say } from "./api.ts";
import { fromBase64 } from "./base64.ts";
import type { Received } from "./messages.ts";
import { withoutFragment } from "./payer.ts";
import type { Prompts } from "./prompts.ts";
import type { Wallet } from "./wallet.ts";

const HEADER = "micromint-coins";
/** Below the address of the coins, where they are acknowledged. */
const RECEIVED = "/received";
/** The longest address that is followed. */
const ADDRESS_LEN_MAX = 2048;

export function startCoins(wallet: Wallet, prompts: Prompts): void {
  /** The address of the coins that the page of a tab offers. */
  const offered = new Map<number, { page: string; coins: string }>();
  // Firefox may report an answer after the content of its page, unless the answer waits for us.
  const waits = isFirefox ? ["blocking"] : [];

  api.webRequest.onHeadersReceived.addListener(
    (details) => {
      if (details.tabId < 0) return undefined;
      const value = details.responseHeaders?.find((it) => it.name.toLowerCase() === HEADER)?.value;
      const coins = value === undefined ? undefined : addressOf(value, details.url);
      if (coins === undefined || details.statusCode !== 200) offered.delete(details.tabId);
      else offered.set(details.tabId, { page: details.url, coins });
      return undefined;
    },
    { urls: ["<all_urls>"], types: ["main_frame"] },
    [...waits, "responseHeaders"] as "responseHeaders"[],
  );

  api.webNavigation.onDOMContentLoaded.addListener((details) => {
    if (details.frameId !== 0) return;
    const found = offered.get(details.tabId);
    // The page that is about to be left may still report its content.
    if (found === undefined || withoutFragment(found.page) !== withoutFragment(details.url)) return;
    offered.delete(details.tabId);
    void take(details.tabId, found.page, found.coins).catch((error: unknown) =>
      console.error("MicroMint:", error),
    );
  });

  api.tabs.onRemoved.addListener((tab) => void offered.delete(tab));

  const take = async (tab: number, page: string, coins: string): Promise<void> => {
    const message = await inPage(tab, fetchCoins, coins);
    if (message === undefined) return;
    const bytes = fromBase64(message);
    const give = async (isAgreed: boolean): Promise<Received> => {
      const command = { do: "receive", page, isAgreed, now: now() };
      return (await wallet.call<Received>(command, bytes)).value;
    };
    let found = await give(false);
    if (found.received === "ask") {
      const choice = await prompts.ask(tab, { about: "coins", page, ...found.facts });
      if (choice !== "once") return;
      found = await give(true);
    }
    // Stored, now or before: the broker need not keep it.
    if (found.received === "new" || found.received === "already") {
      await inPage(tab, acknowledge, coins + RECEIVED);
    }
    const text = { new: short(found.coins ?? 0, "exceptZero"), already: "", refused: "!", ask: "" }[found.received];
    await api.action.setBadgeText({ tabId: tab, text }).catch(() => undefined);
    const name = say("name");
    const isRefused = found.received === "refused";
    const title = isRefused ? `${name}: ${say("coins_refused", found.text ?? "")}` : name;
    await api.action.setTitle({ tabId: tab, title }).catch(() => undefined);
  };
}

/** The address of the coins, if it is at the page's own origin. */
function addressOf(value: string, page: string): string | undefined {
  if (value.length > ADDRESS_LEN_MAX) return undefined;
  try {
    const found = new URL(value, page);
    return found.origin === new URL(page).origin ? found.href : undefined;
  } catch {
    return undefined;
  }
}

async function inPage(
  tab: number,
  func: (address: string) => Promise<string | undefined>,
  address: string,
): Promise<string | undefined> {
  const [found] = await api.scripting.executeScript({
    target: { tabId: tab },
    func,
    args: [address],
  });
  return found?.result ?? undefined;
}

/** Runs in the page: the message in base64. */
async function fetchCoins(address: string): Promise<string | undefined> {
  const SIZE_MAX = 128 * 1024 * 1024;
  const answer = await fetch(address, {
    headers: { Accept: "application/x-micromint" },
    credentials: "same-origin",
    redirect: "error",
    cache: "no-store",
  });
  if (answer.status !== 200) return undefined;
  const blob = await answer.blob();
  if (blob.size > SIZE_MAX) return undefined;
  // Not as an ArrayBuffer: Firefox lets a script like this one see the page's, but not work with it.
  return await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",", 2)[1]);
    reader.onerror = () => resolve(undefined);
    reader.readAsDataURL(blob);
  });
}

/** Runs in the page: tells the broker that the coins are stored. */
async function acknowledge(address: string): Promise<string | undefined> {
  await fetch(address, { method: "POST", credentials: "same-origin", redirect: "error" });
  return undefined;
}
