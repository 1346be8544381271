// Drives the real Chromium.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

const BINARY = process.env["MICROMINT_CHROMIUM"] ?? "/usr/bin/chromium";

export class Chromium {
  static async start(extension, profile = mkdtempSync(join(tmpdir(), "micromint-chromium-")), more = [], language = "en") {
    const browser = new Chromium();
    browser.profile = profile;
    browser.context = await chromium.launchPersistentContext(profile, {
      executablePath: BINARY,
      headless: false,
      args: [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run", `--lang=${language}`,
        `--load-extension=${extension}`, `--disable-extensions-except=${extension}`, ...more,
      ],
      env: { ...process.env, LANGUAGE: language },
      ignoreDefaultArgs: ["--disable-extensions", "--disable-back-forward-cache"],
    });
    browser.worker = browser.context.serviceWorkers()[0] ?? (await browser.context.waitForEvent("serviceworker"));
    browser.id = new URL(browser.worker.url()).host;
    // Registering the content script takes a moment after the installation.
    await browser.worker.evaluate(async () => {
      for (let i = 0; i < 100; i += 1) {
        if ((await chrome.scripting.getRegisteredContentScripts()).length > 0) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error("no content script is registered");
    });
    browser.own = await browser.page();
    await browser.own.goto(browser.address("wallet.html"));
    return browser;
  }

  get name() {
    return "chromium";
  }

  address(page) {
    return `chrome-extension://${this.id}/${page}`;
  }

  async page() {
    return new ChromiumPage(await this.context.newPage());
  }

  /** Asks the background, from the wallet's page. */
  async ask(message) {
    return await this.own.page.evaluate((it) => chrome.runtime.sendMessage({ to: "background", ...it }), message);
  }

  /** The window that asks. */
  async prompt(timeout = 30_000) {
    const found = () => this.context.pages().find((it) => it.url().includes("/prompt.html"));
    const ends = Date.now() + timeout;
    do {
      const page = found();
      if (page !== undefined) {
        await page.waitForSelector("#once:not([disabled])", { timeout }).catch(() => undefined);
        return new ChromiumPage(page);
      }
      if (timeout > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    } while (Date.now() < ends);
    return undefined;
  }

  /** The state of the tab that shows this address, for the popup. */
  async state(url) {
    const tab = await this.own.page.evaluate(async (it) => (await chrome.tabs.query({})).find((tab) => tab.url === it)?.id, url);
    return { tab, ...(await this.ask({ ask: "tab", tab })) };
  }

  /** The windows that ask. */
  async prompts() {
    return this.context.pages().filter((it) => it.url().includes("/prompt.html")).length;
  }

  /** Stops the background, as the browser does after 30 s without an event. */
  async stopBackground() {
    const session = await this.context.newCDPSession(this.own.page);
    await session.send("ServiceWorker.enable");
    await session.send("ServiceWorker.stopAllWorkers");
    await session.detach();
    const count = () =>
      this.own.page.evaluate(async () => (await chrome.runtime.getContexts({ contextTypes: ["BACKGROUND"] })).length);
    const ends = Date.now() + 10_000;
    while ((await count()) > 0) {
      if (Date.now() > ends) throw new Error("the background does not stop");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async clearCookies() {
    await this.context.clearCookies();
  }

  /** Sets the clock of the wallet, and of nothing else, forward. */
  async forward(seconds) {
    await this.worker.evaluate((ms) => {
      globalThis.realNow ??= Date.now;
      Date.now = () => globalThis.realNow() + ms;
    }, seconds * 1000);
  }

  async stop({ keep = false } = {}) {
    await this.context.close();
    if (!keep) rmSync(this.profile, { recursive: true, force: true });
  }
}

class ChromiumPage {
  constructor(page) {
    this.page = page;
  }
  async isOpen() {
    return !this.page.isClosed();
  }
  async goto(url) {
    // A paid page is loaded twice, and the first load may be aborted by the second.
    await this.page.goto(url).catch(() => undefined);
  }
  async click(selector) {
    await this.page.click(selector, { noWaitAfter: true }).catch((error) => {
      if (!String(error).includes("closed")) throw error;
    });
  }
  async hover(selector) {
    await this.page.hover(selector);
  }
  async back() {
    await this.page.goBack({ timeout: 1500, waitUntil: "commit" }).catch(() => undefined);
  }
  async forward() {
    await this.page.goForward({ timeout: 1500, waitUntil: "commit" }).catch(() => undefined);
  }
  async reload() {
    await this.page.reload().catch(() => undefined);
  }
  async run(script) {
    return await this.page.evaluate(script);
  }
  /** Does something, and returns what was painted meanwhile, as PNG in base64. */
  async painted(act) {
    const session = await this.page.context().newCDPSession(this.page);
    const frames = [];
    session.on("Page.screencastFrame", (frame) => {
      frames.push(frame.data);
      void session.send("Page.screencastFrameAck", { sessionId: frame.sessionId }).catch(() => undefined);
    });
    await session.send("Page.startScreencast", { format: "png", everyNthFrame: 1 });
    await act();
    await session.send("Page.stopScreencast");
    await session.detach();
    return frames;
  }
  async title() {
    return await this.page.title().catch(() => "");
  }
  async close() {
    await this.page.close();
  }
}
