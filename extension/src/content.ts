// In every page, before anything of it is shown: a 402 for which the wallet will pay stays hidden
// until it is loaded again. On every other page this script does nothing at all, so that no page can
// find out whether there is a wallet.

import { api } from "./api.ts";
import { fromBase64Url } from "./base64.ts";
import type { Action, Message } from "./messages.ts";

/** How long a page stays hidden at most. */
const HIDDEN_MS_MAX = 15_000;

const navigation = performance.getEntriesByType("navigation")[0] as
  | PerformanceNavigationTiming
  | undefined;

if (navigation?.responseStatus === 402) {
  const { prerendering } = document as { prerendering?: boolean };
  if (prerendering === true) {
    // Nothing was decided for a page that nobody opened. Now somebody has.
    document.addEventListener("prerenderingchange", () => location.reload(), { once: true });
  } else {
    void start();
  }
}

async function start(): Promise<void> {
  const show = hide();
  api.runtime.onMessage.addListener((message: Action & { to?: string }) => {
    if (message.to === "page") void act(message, show);
    return undefined;
  });
  const ask: Message = { to: "background", ask: "shown402", url: location.href };
  const action = (await api.runtime.sendMessage(ask).catch(() => undefined)) as Action | undefined;
  await act(action ?? { action: "show" }, show);
}

async function act(action: Action, show: () => void): Promise<void> {
  if (action.action === "show") return show();
  if (action.action === "post") await post(action.message).then((isPaid) => {
    if (!isPaid) show();
  });
}

/** Hides the page. Returns what shows it again. */
function hide(): () => void {
  const root = document.documentElement;
  const before = root.style.getPropertyValue("display");
  root.style.setProperty("display", "none", "important");
  const show = (): void => {
    root.style.removeProperty("display");
    if (before !== "") root.style.setProperty("display", before);
  };
  setTimeout(show, HIDDEN_MS_MAX);
  return show;
}

/** Sends a payment that is too long for a header, in a POST to the page itself. */
async function post(message: string): Promise<boolean> {
  const url = location.href.split("#", 1)[0] ?? location.href;
  const body = fromBase64Url(message);
  let status = 0;
  let word: string | null = null;
  let retryAfter: string | null = null;
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/x-micromint" },
      body,
      credentials: "same-origin",
      redirect: "manual",
      cache: "no-store",
    });
    status = answer.status;
    word = answer.headers.get("MicroMint-Status");
    retryAfter = answer.headers.get("Retry-After");
    // Paid is what has arrived as a whole.
    await answer.arrayBuffer();
  } catch {
    status = 0;
  }
  const told: Message = { to: "background", ask: "posted", url, status, word, retryAfter };
  const next = (await api.runtime.sendMessage(told).catch(() => "show")) as "reload" | "show";
  if (next === "reload") location.reload();
  return next === "reload";
}
