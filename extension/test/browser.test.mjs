// End to end: the built extension in a real browser, a real web server, a real till.
//   node --test test/browser.test.mjs
// BROWSERS=chromium,firefox and SERVERS=nginx,apache choose; every pair is tested.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { World } from "./world.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const build = process.env["MICROMINT_EXTENSION_OUT"] ?? join(root, "build");
const browsers = (process.env["BROWSERS"] ?? "chromium,firefox").split(",");
const servers = (process.env["SERVERS"] ?? "nginx,apache").split(",");

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function eventually(act, text, ms = 10_000) {
  const ends = Date.now() + ms;
  let found;
  while (Date.now() < ends) {
    found = await act();
    if (found) return found;
    await sleep(50);
  }
  assert.fail(`${text} did not happen; last: ${JSON.stringify(found)}`);
}

for (const server of servers) {
  for (const name of browsers) {
    describe(`${name} and ${server}`, () => {
      let world;
      let browser;

      before(async () => {
        world = await World.start(server);
        const { [name === "chromium" ? "Chromium" : "Firefox"]: Browser } = await import(`./${name}.mjs`);
        browser = await Browser.start(join(build, name));
        const bytes = readFileSync(world.coins).toString("base64");
        const command = { do: "receive", page: null, isAgreed: false, now: now() };
        const first = await core(command, bytes);
        assert.equal(first.received, "ask", "coins of a stranger are asked about");
        const second = await core({ ...command, isAgreed: true }, bytes);
        assert.equal(second.received, "new");
        await set({ autopay: 2 });
      });

      after(async () => {
        await browser?.stop();
        await world?.stop();
      });

      const now = () => Math.floor(Date.now() / 1000);
      const core = async (command, bytes) => {
        const message = { ask: "core", command };
        const answer = await browser.ask(bytes === undefined ? message : { ...message, bytes });
        assert.equal(answer.error, undefined, answer.error);
        return answer.value;
      };
      const overview = () => core({ do: "overview", now: now() });
      const unspent = async () => (await overview()).holdings.reduce((sum, it) => sum + it.unspent, 0);
      const payments = async () => (await core({ do: "payments", from: 0, count: 100 })).rows;
      const set = async (changes) => {
        const { settings } = await overview();
        await core({ do: "setSettings", settings: { ...settings, ...changes } });
      };
      const shows = (page, title) =>
        eventually(async () => (await page.title()) === title, `the page ${title}`);
      const paid = (count) =>
        eventually(
          async () => {
            const rows = await payments();
            return rows.filter((it) => it.outcome === "paid").length === count;
          },
          `payment number ${count}`,
        );

      test("a paid link opens at once, with one entry in the history", async () => {
        const had = await unspent();
        const page = await browser.page();
        await page.goto(`${world.origin}/index.html`);
        await page.click("#one1");
        await shows(page, "Story 1");
        await paid(1);
        assert.equal(await unspent(), had - 1);
        const [row] = await payments();
        assert.equal(row.coins, 1);
        assert.match(row.url, /\/one\/1\.html$/);
        await page.back();
        await shows(page, "Index");
        await page.forward();
        await shows(page, "Story 1");
        await page.reload();
        await shows(page, "Story 1");
        assert.equal(await unspent(), had - 1, "back, forward and reload are free");
        const second = await browser.page();
        await second.goto(`${world.origin}/one/1.html`);
        await shows(second, "Story 1");
        assert.equal(await unspent(), had - 1, "a second tab is free");
        await second.close();
        await page.close();
      });
    });
  }
}
