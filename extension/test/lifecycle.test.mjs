// What happens to a wallet between runs of Chromium: an update with coins in it, and a second wallet in
// the same browser.
//   node --test test/lifecycle.test.mjs

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Chromium } from "./chromium.mjs";
import { tool, World } from "./world.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const built = join(process.env["MICROMINT_EXTENSION"] ?? join(root, "build", "tests"), "chromium");
const now = () => Math.floor(Date.now() / 1000);

let world;
let folder;
before(async () => {
  world = await World.start("nginx");
  world.second = join(world.folder, "second.mm");
  tool("mmbroker", "--config", world.broker, "deposit", "second", "5 USD", "--reference", "2", "--new");
  tool("mmbroker", "--config", world.broker, "withdraw", "--user", "second", "--sets", "2", "--out", world.second);
  world.tellOwners();
  folder = mkdtempSync(join(tmpdir(), "micromint-lifecycle-"));
});
after(async () => {
  await world?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function copy(name) {
  const to = join(folder, name);
  cpSync(built, to, { recursive: true });
  return to;
}

async function eventually(act, text) {
  for (let i = 0; i < 600; i += 1) {
    if (await act()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${text} did not happen`);
}

/** Gives a command to the core of the wallet whose page this is. */
async function core(page, command, bytes) {
  const message = { to: "background", ask: "core", command, ...(bytes === undefined ? {} : { bytes }) };
  const answer = await page.evaluate((it) => chrome.runtime.sendMessage(it), message);
  assert.equal(answer.error, undefined, answer.error);
  return answer.value;
}

async function fill(page, coins) {
  const bytes = readFileSync(coins).toString("base64");
  const found = await core(page, { do: "receive", page: null, isAgreed: true, now: now() }, bytes);
  assert.equal(found.received, "new");
  const { settings } = await core(page, { do: "overview", now: now() });
  await core(page, { do: "setSettings", settings: { ...settings, autopay: 2 } });
}

test("an update finds the wallet, its settings and its payments", async () => {
  const extension = copy("update");
  const browser = await Chromium.start(extension);
  await fill(browser.own.page, world.coins);
  const page = await browser.page();
  await page.goto(`${world.origin}/one/1.html`);
  await eventually(async () => (await page.title()) === "Story 1", "the page");
  await eventually(async () => (await core(browser.own.page, { do: "payments", from: 0, count: 1 })).rows[0].outcome === "paid", "the payment");
  const before = await core(browser.own.page, { do: "overview", now: 0 });
  await browser.stop({ keep: true });

  const path = join(extension, "manifest.json");
  const manifest = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...manifest, version: "0.2.0" }));
  const updated = await Chromium.start(extension, browser.profile);
  assert.equal(await updated.own.page.evaluate(() => chrome.runtime.getManifest().version), "0.2.0");
  assert.equal(updated.id, browser.id);
  assert.deepEqual(await core(updated.own.page, { do: "overview", now: 0 }), before);
  const again = await updated.page();
  await again.goto(`${world.origin}/one/2.html`);
  await eventually(async () => (await again.title()) === "Story 2", "another page");
  await updated.stop();
});

test("two wallets in one browser pay for a page once", async () => {
  const browser = await Chromium.start(`${copy("a")},${copy("b")}`);
  await eventually(() => browser.context.serviceWorkers().length === 2, "two wallets");
  const ids = browser.context.serviceWorkers().map((it) => new URL(it.url()).host);
  const owns = [];
  for (const [i, id] of ids.entries()) {
    const page = await browser.context.newPage();
    await page.goto(`chrome-extension://${id}/wallet.html`);
    await fill(page, [world.coins, world.second][i]);
    owns.push(page);
  }
  const page = await browser.page();
  await page.goto(`${world.origin}/one/9.html`);
  await eventually(async () => (await page.title()) === "Story 9", "the page");
  const unsettled = async () => {
    let count = 0;
    for (const own of owns) {
      const { rows } = await core(own, { do: "payments", from: 0, count: 9 });
      count += rows.filter((it) => it.outcome === "unknown").length;
    }
    return count;
  };
  await eventually(async () => world.requests("/one/9.html").some((it) => it.endsWith('"paid"')), "the payment");
  // What one of them could not send stays open, and is not lost.
  assert.ok((await unsettled()) <= 1);
  await page.reload();
  await eventually(async () => (await page.title()) === "Story 9", "the page again");
  assert.equal(world.requests("/one/9.html").filter((it) => it.endsWith('"paid"')).length, 1);
  await browser.stop();
});
