// Kills a browser while it pays, again and again: no coin is lost, and nothing is paid for twice.
//   BROWSERS=chromium,firefox KILLS=50 node --test test/kill.test.mjs

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { World } from "./world.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const build = process.env["MICROMINT_EXTENSION"] ?? join(root, "build", "tests");
const browsers = (process.env["BROWSERS"] ?? "chromium,firefox").split(",");
const kills = Number(process.env["KILLS"] ?? "50");
const now = () => Math.floor(Date.now() / 1000);

async function core(browser, command, bytes) {
  const answer = await browser.ask({ ask: "core", command, ...(bytes === undefined ? {} : { bytes }) });
  assert.equal(answer.error, undefined, answer.error);
  return answer.value;
}

async function eventually(act, text) {
  for (let i = 0; i < 600; i += 1) {
    if (await act()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${text} did not happen`);
}

/** Ends the process of the browser that has this profile, and its children, without a chance to save. */
function kill(profile) {
  const lines = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
  for (const line of lines.filter((it) => it.includes(profile))) {
    try {
      process.kill(Number(line.trim().split(" ", 1)[0]), "SIGKILL");
    } catch {
      // It has ended with its parent.
    }
  }
}

for (const name of browsers) {
  test(`${name} is killed ${kills} times while it pays`, async (context) => {
    const { [name === "chromium" ? "Chromium" : "Firefox"]: Browser } = await import(`./${name}.mjs`);
    const extension = join(build, name);
    const world = await World.start("nginx");
    world.tellOwners();
    const profile = mkdtempSync(join(tmpdir(), "micromint-kill-"));
    let browser = await Browser.start(extension, profile);
    context.after(async () => {
      await browser.stop({ keep: true }).catch(() => undefined);
      await world.stop();
      rmSync(profile, { recursive: true, force: true });
    });
    await core(browser, { do: "receive", page: null, isAgreed: true, now: now() }, readFileSync(world.coins).toString("base64"));
    const { settings, holdings } = await core(browser, { do: "overview", now: now() });
    const had = holdings[0].unspent;
    await core(browser, { do: "setSettings", settings: { ...settings, autopay: 5, dayLimit: null } });
    const open = { before: 0, after: 0 };
    for (let i = 0; i < kills; i += 1) {
      const page = await browser.page();
      void page.goto(`${world.origin}/one/${(i % 60) + 1}.html?${i}`).catch(() => undefined);
      // From before the first request to after the last.
      await new Promise((resolve) => setTimeout(resolve, (i * 37) % 400));
      kill(profile);
      await browser.stop({ keep: true }).catch(() => undefined);
      browser = await Browser.start(extension, profile);
      const { rows } = await core(browser, { do: "payments", from: 0, count: 100 });
      if (rows[0]?.outcome === "unknown") open.before += 1;
    }
    // What was left open is sent again and charged once.
    const outcomeOf = async (number) => {
      const { rows } = await core(browser, { do: "payments", from: 0, count: 100 });
      return rows.find((it) => it.number === number).outcome;
    };
    const { rows } = await core(browser, { do: "payments", from: 0, count: 100 });
    for (const row of rows.filter((it) => it.outcome === "unknown")) {
      const page = await browser.page();
      await page.goto(row.url);
      const shows = () => eventually(async () => (await page.title()).startsWith("Story"), row.url);
      await shows();
      // The browser may have got a receipt of which the wallet does not know, and which opens the page.
      await browser.clearCookies();
      await page.reload();
      await eventually(async () => (await outcomeOf(row.number)) === "paid", `the outcome of ${row.url}`);
      await shows();
      await page.close();
    }
    const found = await core(browser, { do: "payments", from: 0, count: 100 });
    open.after = found.rows.filter((it) => it.outcome !== "paid").length;
    const { holdings: left } = await core(browser, { do: "overview", now: now() });
    const charged = world.requests().filter((it) => it.endsWith('"paid"')).length;
    context.diagnostic(`${found.total} payments, ${open.before} left open by a kill, ${charged} charged`);
    assert.equal(open.after, 0);
    assert.equal(left[0].unspent, had - found.total, "every coin is in the wallet or in a payment");
    assert.equal(charged, found.total, "the till has each payment once");
    assert.equal(new Set(found.rows.map((it) => it.url)).size, found.total, "no page is paid for twice");
  });
}
