// The background: the wallet, and what listens to the browser. In Chromium it is a service worker, in
// Firefox an event page; both are stopped when idle and started by the next event, so everything
// that listens is set up before anything is awaited.

import { api, isFirefox, now } from "./api.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { startChromium } from "./chromium.ts";
import { startCoins } from "./coins.ts";
import { startFirefox } from "./firefox.ts";
import { Hints, LINKS_SCRIPT } from "./hints.ts";
import type { Message, Overview, PaymentRow, Settings } from "./messages.ts";
import { Payer } from "./payer.ts";
import { Prompts } from "./prompts.ts";
import { Wallet } from "./wallet.ts";

const wallet = new Wallet();
const prompts = new Prompts();
const payer = new Payer(wallet, prompts);
const hints = new Hints(wallet);
if (isFirefox) startFirefox(payer);
else startChromium(payer);
startCoins(wallet, prompts);
wallet.warm();

/** Commands of the core that the wallet's own pages may give. */
const PAGE_COMMANDS = new Set([
  "overview", "payments", "site", "setSettings", "setRule", "backup", "restore", "moveIn",
  "receive", "returns", "credited", "complaint",
]);
const SETTING_COMMANDS = new Set(["setSettings", "setRule"]);

api.runtime.onMessage.addListener((message: Message, sender, answer) => {
  if (message.to !== "background" || sender.id !== api.runtime.id) return undefined;
  reply(message, sender)
    .then((value) => answer(value))
    .catch((error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }));
  // The answer comes later.
  return true;
});

async function reply(message: Message, sender: chrome.runtime.MessageSender): Promise<unknown> {
  const tab = sender.tab?.id ?? -1;
  // A content script can be made to say anything; only these three are for it.
  switch (message.ask) {
    case "shown402":
      return await payer.action(tab, message.url);
    case "posted": {
      const headers = [
        { name: "MicroMint-Status", value: message.word ?? undefined },
        { name: "Retry-After", value: message.retryAfter ?? undefined },
      ].filter((it) => it.value !== undefined) as chrome.webRequest.HttpHeader[];
      return await payer.onPosted(tab, message.url, { status: message.status, headers });
    }
    case "linkPrice":
      return await hints.hint(sender, message.url);
    default:
      if (!isOwnPage(sender)) throw new Error("expected a page of the extension");
      return await replyToPage(message);
  }
}

function isOwnPage(sender: chrome.runtime.MessageSender): boolean {
  return sender.url?.startsWith(api.runtime.getURL("")) === true;
}

async function replyToPage(message: Message): Promise<unknown> {
  switch (message.ask) {
    case "question":
      return prompts.question(message.id) ?? null;
    case "choose":
      prompts.answer(message.id, message.choice);
      return {};
    case "tab":
      return (await payer.state(message.tab)) ?? null;
    case "askAgain":
      await api.tabs.reload(message.tab);
      return {};
    case "payments":
      return await payments(message.from, message.count);
    case "core": {
      const name = String((message.command as { do?: unknown }).do);
      if (!PAGE_COMMANDS.has(name)) throw new Error(`unknown command ${name}`);
      const bytes = message.bytes === undefined ? undefined : fromBase64(message.bytes);
      const found = await wallet.call<unknown>(
        message.command,
        bytes,
        SETTING_COMMANDS.has(name)
          ? (it) => ({ settings: JSON.stringify(it.value) })
          : undefined,
      );
      if (name === "setSettings") await registerContentScripts(found.value as Settings);
      return { value: found.value, bytes: toBase64(found.bytes) };
    }
    case "moveOut":
      return await moveOut();
    case "outbox":
      return (await (await wallet.store()).outgoing()).map((it) => ({
        name: it.name,
        at: it.at,
        bytes: toBase64(it.bytes),
      }));
    case "forget":
      await (await wallet.store()).forget(message.name);
      return {};
    default:
      throw new Error("unknown message");
  }
}

/** Moves the wallet into a file that stays here until its owner has stored it. */
async function moveOut(): Promise<unknown> {
  const at = Math.floor(Date.now() / 1000);
  const name = `micromint-${new Date().toISOString().slice(0, 10)}-${at}.mmw`;
  const found = await wallet.call({ do: "moveOut", now: at }, undefined, (it) => ({
    outgoing: { name, at, bytes: it.bytes },
  }));
  return { name, bytes: toBase64(found.bytes) };
}

async function payments(from: number, count: number): Promise<unknown> {
  const [found, titles] = await Promise.all([
    wallet.call<{ total: number; rows: PaymentRow[] }>({ do: "payments", from, count }),
    wallet.store().then((store) => store.titles()),
  ]);
  const rows = found.value.rows.map((row) => ({ ...row, title: titles.get(row.number) }));
  return { ...found.value, rows };
}

/** The content scripts that the owner's permission and settings ask for, from the next page on. */
async function registerContentScripts(settings: Settings): Promise<void> {
  const isAllowed = await api.permissions.contains({ origins: ["<all_urls>"] });
  await registerScript("page", isAllowed, { js: ["content.js"], runAt: "document_start" });
  const showsPrices = isAllowed && settings.showsPrices;
  await registerScript(LINKS_SCRIPT, showsPrices, { js: ["links.js"], runAt: "document_idle" });
}

async function registerScript(
  id: string,
  isWanted: boolean,
  script: { readonly js: string[]; readonly runAt: "document_start" | "document_idle" },
): Promise<void> {
  const registered = await api.scripting.getRegisteredContentScripts({ ids: [id] });
  if (isWanted === registered.length > 0) return;
  if (!isWanted) return await api.scripting.unregisterContentScripts({ ids: [id] });
  const common = { matches: ["<all_urls>"], allFrames: false, persistAcrossSessions: true };
  await api.scripting.registerContentScripts([{ id, ...script, ...common }]);
}

async function register(): Promise<void> {
  const { value } = await wallet.call<Overview>({ do: "overview", now: now() });
  await registerContentScripts(value.settings);
}

const onChange = (): void => void register().catch((error: unknown) => console.error("MicroMint:", error));
api.runtime.onInstalled.addListener(onChange);
api.runtime.onStartup.addListener(onChange);
api.permissions.onAdded.addListener(onChange);
api.permissions.onRemoved.addListener(onChange);
