// The background's parts in node, where the browser is one that fails on demand: what a failure of the
// browser or of the wallet leaves behind, and events in orders that a real browser shows rarely.
//   node --test test/background.test.mjs

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import * as esbuild from "esbuild";
import { IDBFactory } from "fake-indexeddb";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const wasm = readFileSync(process.env["MICROMINT_CORE_WASM"] ?? join(root, "build", "tests", "core.wasm"));
const coins = readFileSync(join(root, "..", "testdata", "messages", "funds-withdrawn.txt"));
/** 2026-12-10 12:00 UTC, within the period of the vectors. */
const NOW = 1_796_904_000;

/** Those who listen to an event of the browser. */
class Listeners {
  all = [];
  addListener(act) {
    this.all.push(act);
  }
  /** Reports an event. Resolves with what the listeners return. */
  report(details) {
    return Promise.all(this.all.map((act) => act(details)));
  }
}

/** What the extension calls of a browser. */
function browserOf() {
  const events = (...names) => Object.fromEntries(names.map((name) => [name, new Listeners()]));
  const stored = new Map();
  const rules = new Map();
  return {
    rules,
    opened: [],
    scripts: [],
    runtime: { id: "wallet", getURL: (path) => (path === "core.wasm" ? `data:application/wasm;base64,${wasm.toString("base64")}` : `moz-extension://wallet/${path}`), getPlatformInfo: async () => ({}) },
    i18n: { getMessage: (name) => name, getUILanguage: () => "en" },
    action: { setBadgeText: async () => {}, setTitle: async () => {}, setBadgeBackgroundColor: async () => {} },
    storage: {
      session: {
        get: async (key) => (key === null ? Object.fromEntries(stored) : stored.has(key) ? { [key]: stored.get(key) } : {}),
        set: async (all) => Object.entries(all).forEach(([key, it]) => stored.set(key, it)),
        remove: async (key) => void stored.delete(key),
      },
    },
    tabs: {
      ...events("onActivated", "onRemoved"),
      get: async (id) => ({ id, active: true, incognito: false }),
      reload: async () => {},
      sendMessage: async () => {},
    },
    windows: {
      ...events("onRemoved"),
      async create(it) {
        globalThis.chrome.opened.push(it.url);
        return { id: globalThis.chrome.opened.length };
      },
      remove: async () => {},
    },
    webRequest: events("onSendHeaders", "onBeforeSendHeaders", "onHeadersReceived", "onCompleted", "onErrorOccurred"),
    webNavigation: events("onCommitted", "onDOMContentLoaded"),
    scripting: {
      async executeScript({ func, args }) {
        globalThis.chrome.scripts.push([func.name, ...args]);
        return [{ result: func.name === "fetchCoins" ? coins.toString("base64") : undefined }];
      },
    },
    declarativeNetRequest: {
      getSessionRules: async () => [...rules.values()],
      async updateSessionRules({ addRules = [], removeRuleIds = [] }) {
        for (const id of removeRuleIds) rules.delete(id);
        for (const it of addRules) rules.set(it.id, it);
      },
    },
  };
}

let browser;
beforeEach(() => {
  browser = browserOf();
  globalThis.chrome = browser;
});

/** A module of the extension, which uses the browser of this test. */
let loads = 0;
async function load(name, target = "chromium") {
  const out = join(root, "build", "test", `${name}-${target}.mjs`);
  await esbuild.build({ entryPoints: [join(root, "src", `${name}.ts`)], outfile: out, bundle: true, format: "esm", define: { BROWSER: JSON.stringify(target) } });
  loads += 1;
  return await import(`${pathToFileURL(out).href}?${loads}`);
}

/** Long enough for everything that waits for nothing but promises. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

const QUESTION = { vendor: "news.example", url: "https://news.example/1", description: "", coins: 5, worth: { amount: "0.05", currency: "USD" } };

/** A payer that pays for everything, and notes what it does. */
function payerOf(changes = {}) {
  const payer = {
    decided: [],
    answers: [],
    failures: [],
    decide: async (url, _offer, visit) => {
      payer.decided.push(visit);
      return { verdict: "send", payment: payer.decided.length, header: "cGF5", fitsHeader: true, coins: 1, again: false };
    },
    sent: (send, url, offer, tried) => ({ payment: send.payment, header: send.header, coins: 1, since: NOW, url, offer, tried: [...tried, send.payment], isBody: !send.fitsHeader }),
    answered: async (sent, head, isComplete) => {
      payer.answers.push([sent.payment, head.status, isComplete]);
      return { outcome: head.status < 300 ? "paid" : "refused", reason: null, resend: null, otherForm: null };
    },
    ask: async () => true,
    show: () => {},
    refused: () => {},
    failed: (tab, error) => void payer.failures.push([tab, String(error)]),
    paid: () => {},
    setAction: (_tab, _url, promise) => void (payer.actionOfTab = promise),
    forget: () => {},
    ...changes,
  };
  return payer;
}

/** The report of an answer, in the words of either browser. */
const answer = (requestId, url, status, more = {}) => ({
  requestId, url, statusCode: status, tabId: 7, method: "GET", type: "main_frame", frameId: 0,
  responseHeaders: status === 402 ? [{ name: "MicroMint-Request", value: "b2ZmZXI" }] : [],
  ...more,
});

/** Makes the browser speak a language, with the texts that it would choose. */
function speak(language, texts = language.split("-")[0]) {
  const all = JSON.parse(readFileSync(join(root, "_locales", texts, "messages.json"), "utf8"));
  const getMessage = (name, values = []) => {
    const { message = "", placeholders = {} } = all[name] ?? {};
    return message.replace(/\$(\w+)\$/g, (_whole, it) => values[Number(placeholders[it.toLowerCase()].content.slice(1)) - 1] ?? "");
  };
  browser.i18n = { getMessage, getUILanguage: () => language };
}
/** With plain spaces, as tests are written. */
const plain = (text) => text.replaceAll("\u00a0", " ");
const worth = (amount, currency) => ({ amount, currency });

test("amounts are in the language of the texts, with the right plural and every digit", async () => {
  const { amount, coins, money, named, number, price, short } = await load("amounts");
  const cases = [
    // coins, worth, English, German
    [0, worth("0", "USD"), "0 coins ($0.00)", "0 Münzen (0,00 $)"],
    [1, worth("0.01", "USD"), "1 coin ($0.01)", "1 Münze (0,01 $)"],
    [312, worth("3.12", "USD"), "312 coins ($3.12)", "312 Münzen (3,12 $)"],
    [1, worth("0.0001", "EUR"), "1 coin (€0.0001)", "1 Münze (0,0001 €)"],
    [12345, worth("1.2345", "EUR"), "12,345 coins (€1.2345)", "12.345 Münzen (1,2345 €)"],
    [2, worth("5", "JPY"), "2 coins (¥5)", "2 Münzen (5 ¥)"],
    [2, worth("0.5", "JPY"), "2 coins (¥0.5)", "2 Münzen (0,5 ¥)"],
    [3, worth("0.03", "XTS"), "3 coins (XTS 0.03)", "3 Münzen (0,03 XTS)"],
    [3, worth("0.03", "XXX"), "3 coins (XXX 0.03)", "3 Münzen (0,03 XXX)"],
    [7, worth("184467440737.09551615", "USD"), "7 coins ($184,467,440,737.09551615)", "7 Münzen (184.467.440.737,09551615 $)"],
    [7, worth("0.00000001", "USD"), "7 coins ($0.00000001)", "7 Münzen (0,00000001 $)"],
    [7, null, "7 coins", "7 Münzen"],
  ];
  const two = [{ coins: 41, worth: worth("0.0041", "USD") }, { coins: 2, worth: worth("0.008", "USD") }];
  speak("en-US");
  for (const [count, value, english] of cases) assert.equal(plain(amount({ coins: count, worth: value })), english);
  assert.equal(price(two), "41 coins ($0.0041) or 2 coins ($0.008)");
  assert.equal(price([]), "");
  assert.deepEqual(["news.example", 1, worth("0.02", "USD")].map(named), ["news.example", "1 coin", "$0.02"]);
  assert.deepEqual([number(1234), short(1234), short(5, "exceptZero"), short(0, "exceptZero")], ["1,234", "1234", "+5", "0"]);
  speak("de");
  for (const [count, value, , german] of cases) assert.equal(plain(amount({ coins: count, worth: value })), german);
  assert.equal(plain(price(two)), "41 Münzen (0,0041 $) oder 2 Münzen (0,008 $)");
  assert.equal(number(1234), "1.234");
  // A region of the browser's own.
  speak("en-GB");
  assert.equal(money(worth("0.03", "USD")), "US$0.03");
  speak("de-CH");
  assert.match(plain(money(worth("1234.5", "CHF"))), /^CHF 1.234\.50$/);
  // A browser in a language without texts: it shows the English ones, and nothing is half French.
  speak("fr", "en");
  assert.deepEqual([coins(0), money(worth("0.03", "EUR"))], ["0 coins", "€0.03"]);
});

test("the icon says what a page costs in the language of the browser", async () => {
  const { Payer } = await load("payer");
  const shown = {};
  browser.action.setBadgeText = async ({ text }) => void (shown.text = text);
  browser.action.setTitle = async ({ title }) => void (shown.title = plain(title));
  const payer = new Payer({}, { cancel: () => {} });
  const prices = [{ coins: 1234, worth: worth("12.34", "EUR") }];
  const states = { asks: { prices }, paying: { prices }, paid: { prices }, refused: { prices, code: "declined" }, unknown: { prices: [], state: "refused", code: "failed" } };
  const found = {};
  for (const language of ["en-US", "de"]) {
    speak(language);
    for (const [state, it] of Object.entries(states)) {
      payer.show(7, { url: "https://news.example/1", vendor: "news.example", state, ...it });
      await settled();
      found[`${language} ${state}`] = `${shown.text} ${shown.title}`;
    }
  }
  assert.deepEqual(found, {
    "en-US asks": "1234 MicroMint wallet: this page costs 1,234 coins (€12.34)",
    "en-US paying": "1234 MicroMint wallet: paying 1,234 coins (€12.34)",
    "en-US paid": "1234 MicroMint wallet: paid 1,234 coins (€12.34) for this page",
    "en-US refused": "! MicroMint wallet: not paid: 1,234 coins (€12.34)",
    "en-US unknown": "! MicroMint wallet: not paid",
    "de asks": "1234 MicroMint-Geldbörse: diese Seite kostet 1.234 Münzen (12,34 €)",
    "de paying": "1234 MicroMint-Geldbörse: Zahlung läuft: 1.234 Münzen (12,34 €)",
    "de paid": "1234 MicroMint-Geldbörse: für diese Seite bezahlt: 1.234 Münzen (12,34 €)",
    "de refused": "! MicroMint-Geldbörse: nicht bezahlt: 1.234 Münzen (12,34 €)",
    "de unknown": "! MicroMint-Geldbörse: nicht bezahlt",
  });
});

test("a question whose window does not open fails, and the next one is asked", async () => {
  const { Prompts } = await load("prompts");
  const { create } = browser.windows;
  browser.windows.create = async () => {
    throw new Error("no window");
  };
  const prompts = new Prompts();
  await assert.rejects(prompts.ask(1, { about: "price" }), /no window/);
  browser.windows.create = create;
  const second = prompts.ask(2, { about: "price" });
  await settled();
  assert.equal(browser.opened.length, 1);
  prompts.answer(new URL(browser.opened[0]).searchParams.get("id"), "once");
  assert.equal(await second, "once");
});

test("of many questions whose windows do not open, each fails", async () => {
  const { Prompts } = await load("prompts");
  browser.windows.create = async () => {
    throw new Error("no window");
  };
  const prompts = new Prompts();
  const asked = [1, 2, 3].map((tab) => prompts.ask(tab, { about: "price" }));
  const found = await Promise.allSettled(asked);
  assert.deepEqual(found.map((it) => it.status), ["rejected", "rejected", "rejected"]);
});

test("if asking fails, nothing is agreed to, and the state of the tab says why", async () => {
  const { Payer } = await load("payer");
  const fails = () => Promise.reject(new Error("no window"));
  const payer = new Payer({ call: fails }, { ask: fails, cancel: () => {} });
  assert.equal(await payer.ask(7, QUESTION), false);
  const state = await payer.state(7);
  assert.deepEqual([state.state, state.code, state.text, state.prices], ["refused", "failed", "Error: no window", [{ coins: 5, worth: QUESTION.worth }]]);
  // The owner agrees, and the rule cannot be stored.
  const second = new Payer({ call: fails }, { ask: async () => "always", cancel: () => {} });
  assert.equal(await second.ask(8, QUESTION), false);
  assert.equal((await second.state(8)).code, "failed");
});

test("a call that fails after the core has changed leaves what is stored", async () => {
  globalThis.indexedDB = new IDBFactory();
  const locks = { request: (_name, act) => act() };
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  const { Wallet } = await load("wallet");
  const wallet = new Wallet();
  const command = { do: "receive", page: null, isAgreed: true, now: NOW };
  const fails = () => {
    throw new Error("not stored");
  };
  await assert.rejects(wallet.call(command, coins, fails), /not stored/);
  assert.deepEqual((await wallet.call({ do: "overview", now: NOW })).value.holdings, []);
  assert.equal((await wallet.call(command, coins)).value.received, "new");
  // A command that the core refuses changes nothing, and the same instance goes on.
  const store = await wallet.store();
  await assert.rejects(wallet.call({ do: "steal" }));
  assert.equal(await wallet.store(), store);
  assert.equal((await wallet.call({ do: "overview", now: NOW })).value.holdings.length, 1);
});

for (const target of ["chromium", "firefox"]) {
  test(`${target}: coins are taken once their page is there, whatever the page before reports`, async () => {
    const { startCoins } = await load("coins", target);
    const wallet = { call: async () => ({ value: { received: "already", facts: {} } }) };
    startCoins(wallet, {});
    const page = "https://broker.example/bought";
    const offered = answer("1", page, 200, { responseHeaders: [{ name: "MicroMint-Coins", value: "/coins/7" }] });
    const content = (url) => browser.webNavigation.onDOMContentLoaded.report({ tabId: 7, frameId: 0, url });
    await browser.webRequest.onHeadersReceived.report(offered);
    await content("https://broker.example/before");
    await settled();
    assert.deepEqual(browser.scripts, []);
    await content(`${page}#part`);
    await settled();
    const taken = [["fetchCoins", "https://broker.example/coins/7"], ["acknowledge", "https://broker.example/coins/7/received"]];
    assert.deepEqual(browser.scripts, taken);
    await content(page);
    await settled();
    assert.equal(browser.scripts.length, 2, "one answer is one offer");
    await browser.webRequest.onHeadersReceived.report(offered);
    await content(page);
    await settled();
    assert.deepEqual(browser.scripts.slice(2), taken, "opened again, it is acknowledged again");
  });
}

test("Chromium: no rule is left behind when the tab cannot be loaded again", async () => {
  const { startChromium } = await load("chromium");
  const payer = payerOf();
  startChromium(payer);
  browser.tabs.reload = async () => {
    assert.equal(browser.rules.size, 1);
    throw new Error("no tab");
  };
  const url = "https://news.example/1";
  await browser.webRequest.onHeadersReceived.report(answer("1", url, 402));
  await browser.webNavigation.onCommitted.report({ tabId: 7, frameId: 0, url, documentLifecycle: "active", transitionQualifiers: [] });
  await settled();
  assert.equal(browser.rules.size, 0);
  assert.deepEqual(payer.failures, [[7, "Error: no tab"]]);
});

test("Chromium: the page is shown if the wallet fails at its answer, and the next visit begins anew", async () => {
  const { startChromium } = await load("chromium");
  const payer = payerOf({ answered: () => Promise.reject(new Error("no disk")) });
  startChromium(payer);
  const url = "https://news.example/1";
  const visit = async (request) => {
    await browser.webRequest.onHeadersReceived.report(answer(request, url, 402));
    await browser.webNavigation.onCommitted.report({ tabId: 7, frameId: 0, url, documentLifecycle: "active", transitionQualifiers: [] });
    await settled();
  };
  await visit("1");
  assert.equal(payer.decided.length, 1);
  await visit("2");
  assert.deepEqual(payer.failures, [[7, "Error: no disk"]]);
  assert.deepEqual(await payer.actionOfTab, { action: "show" });
  assert.equal(browser.rules.size, 0);
  await visit("3");
  assert.equal(payer.decided.length, 2, "its answer is not taken for one to the payment");
});

test("Chromium: a part that is asked for several times at once is decided about once, and paid by its own answer", async () => {
  const { startParts } = await load("chromium-parts");
  const payer = payerOf();
  startParts(payer);
  const page = "https://news.example/page";
  const url = "https://news.example/sound";
  await browser.webNavigation.onCommitted.report({ tabId: 7, frameId: 0, url: page, documentLifecycle: "active" });
  const part = { type: "media", initiator: "https://news.example", error: "net::ERR_FAILED" };
  const headers = (request, status) => browser.webRequest.onHeadersReceived.report(answer(request, url, status, part));
  for (const request of ["1", "2", "3"]) await headers(request, 402);
  await settled();
  assert.equal(payer.decided.length, 1);
  assert.equal(browser.rules.size, 1);
  assert.deepEqual(browser.scripts, [["loadAgain", url]]);
  // One that was sent before the rule was there.
  await headers("4", 402);
  await browser.webRequest.onCompleted.report(answer("4", url, 402, part));
  await browser.webRequest.onSendHeaders.report(answer("5", url, 0, { ...part, requestHeaders: [{ name: "MicroMint-Payment", value: "cGF5" }] }));
  await headers("5", 206);
  await settled();
  assert.deepEqual(payer.answers, [[1, 206, false]]);
  assert.equal(browser.rules.size, 1);
  // The player has enough for now.
  await browser.webRequest.onErrorOccurred.report(answer("5", url, 206, part));
  await settled();
  assert.deepEqual(payer.answers, [[1, 206, false], [1, 206, true]]);
  assert.equal(browser.rules.size, 0);
});

test("Chromium: no rule is left behind when a part cannot be loaded again", async () => {
  const { startParts } = await load("chromium-parts");
  const payer = payerOf();
  startParts(payer);
  await browser.webNavigation.onCommitted.report({ tabId: 7, frameId: 0, url: "https://news.example/page", documentLifecycle: "active" });
  browser.scripting.executeScript = async () => {
    throw new Error("no tab");
  };
  const part = { type: "image", initiator: "https://news.example" };
  await browser.webRequest.onHeadersReceived.report(answer("1", "https://news.example/a.gif", 402, part));
  await settled();
  assert.equal(payer.decided.length, 1);
  assert.equal(browser.rules.size, 0);
});

test("Firefox: an agreement is for one visit, and for none if the tab cannot be loaded again", async () => {
  const { startFirefox } = await load("firefox", "firefox");
  const visits = [];
  const payer = payerOf({
    decide: async (_url, _offer, visit) => {
      visits.push(visit.agreed);
      return { verdict: "ask", ...QUESTION };
    },
  });
  startFirefox(payer);
  const { url } = QUESTION;
  const visit = async (request) => {
    await browser.webRequest.onHeadersReceived.report(answer(request, url, 402));
    await settled();
  };
  await visit("1");
  payer.ask = async () => false;
  await visit("2");
  await visit("3");
  assert.deepEqual(visits, [undefined, 5, undefined]);
  payer.ask = async () => true;
  browser.tabs.reload = () => Promise.reject(new Error("no tab"));
  await visit("4");
  await visit("5");
  assert.deepEqual(visits.slice(3), [undefined, undefined]);
});

test("Firefox: if the wallet fails the answer is shown, and the tab says why", async () => {
  const { startFirefox } = await load("firefox", "firefox");
  const payer = payerOf({ decide: () => Promise.reject(new Error("no disk")) });
  startFirefox(payer);
  const [shown] = await browser.webRequest.onHeadersReceived.report(answer("1", QUESTION.url, 402));
  assert.deepEqual(shown, {});
  assert.deepEqual(payer.failures, [[7, "Error: no disk"]]);
});

test("Firefox: the parts of a paid page count as its own from the first on", async () => {
  const { startFirefox } = await load("firefox", "firefox");
  const payer = payerOf();
  startFirefox(payer);
  const report = (details) => browser.webRequest.onHeadersReceived.report(details);
  await report(answer("1", "https://other.example/", 200));
  const page = "https://news.example/1";
  assert.deepEqual(await report(answer("2", page, 402)), [{ redirectUrl: page }]);
  await report(answer("2", page, 200));
  // Nothing was reported as complete yet.
  const image = "https://news.example/a.gif";
  const frames = { type: "image", documentUrl: page, frameAncestors: [] };
  assert.deepEqual(await report(answer("3", image, 402, frames)), [{ redirectUrl: image }]);
  assert.equal(payer.decided[1].page, page);
});

test("Firefox: a sound is paid for when its player breaks it off, and open when the network does", async () => {
  const { startFirefox } = await load("firefox", "firefox");
  const payer = payerOf();
  startFirefox(payer);
  const page = "https://news.example/page";
  await browser.webRequest.onHeadersReceived.report(answer("1", page, 200));
  const ends = async (request, error) => {
    const details = [`https://news.example/${request}`, 402, { type: "media", documentUrl: page, frameAncestors: [], error }];
    await browser.webRequest.onHeadersReceived.report(answer(request, ...details));
    details[1] = 206;
    await browser.webRequest.onHeadersReceived.report(answer(request, ...details));
    await browser.webRequest.onErrorOccurred.report(answer(request, ...details));
    await settled();
    return payer.answers.splice(0).map(([, , isComplete]) => isComplete);
  };
  assert.deepEqual(await ends("2", "NS_BINDING_ABORTED"), [false, true]);
  assert.deepEqual(await ends("3", "NS_ERROR_PARSED_DATA_CACHED"), [false, true]);
  assert.deepEqual(await ends("4", "NS_ERROR_NET_RESET"), [false]);
});

test("Firefox: payments in a POST for one page go one by one, and one that nobody waits for or answers ends", async (context) => {
  const { startFirefox } = await load("firefox", "firefox");
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const settle = async () => {
    for (let i = 0; i < 20; i += 1) await new Promise(setImmediate);
  };
  const payer = payerOf({
    decide: async () => ({ verdict: "send", payment: 1, header: "cGF5", fitsHeader: false, coins: 61, again: false }),
  });
  startFirefox(payer);
  const url = "https://news.example/many";
  const sent = [];
  let [open, most] = [0, 0];
  globalThis.fetch = (_url, { signal }) =>
    new Promise((resolve, reject) => {
      open += 1;
      most = Math.max(most, open);
      let body;
      signal.addEventListener("abort", () => {
        open -= 1;
        body?.error(signal.reason);
        reject(signal.reason);
      });
      const post = { requestId: "p", tabId: -1, method: "POST", url, originUrl: browser.runtime.getURL("background.js"), statusCode: 200, type: "xmlhttprequest", responseHeaders: [] };
      sent.push({
        begin: async () => {
          await browser.webRequest.onHeadersReceived.report(post);
          resolve(new Response(new ReadableStream({ start: (it) => void (body = it) })));
        },
        send: () => body.enqueue(new Uint8Array(1)),
        end: () => {
          open -= 1;
          body.close();
        },
      });
    });
  const tabs = [1, 2, 3, 4];
  const done = tabs.map((tabId) => browser.webRequest.onHeadersReceived.report(answer(String(tabId), url, 402, { tabId })));
  await settle();
  assert.equal(sent.length, 1);
  await browser.tabs.onRemoved.report(1);
  assert.deepEqual(await done[0], [{}], "the tab was closed");
  await settle();
  assert.equal(sent.length, 2);
  context.mock.timers.tick(60_000);
  assert.deepEqual(await done[1], [{}], "nothing was answered");
  await settle();
  assert.equal(sent.length, 3);
  await sent[2].begin();
  // Longer than it may be silent, all in all.
  for (let i = 0; i < 3; i += 1) {
    context.mock.timers.tick(40_000);
    sent[2].send();
    await settle();
  }
  context.mock.timers.tick(60_000);
  assert.deepEqual(await done[2], [{}], "the rest did not arrive");
  await settle();
  await sent[3].begin();
  await settle();
  sent[3].end();
  assert.deepEqual(await done[3], [{ redirectUrl: url }]);
  assert.equal(most, 1);
});
