// The screenshots for the stores, of the extension that `scripts/build-extension.sh --for-tests` built,
// with a broker, a web server and coins for tests: build/screenshots/LANGUAGE-SCHEME-NAME.png, 1280 by
// 800 pixels.
//   node store/screenshots.mjs [en de]

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Chromium } from "../test/chromium.mjs";
import { World } from "../test/world.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const extension = join(process.env["MICROMINT_EXTENSION"] ?? join(root, "build", "tests"), "chromium");
const out = join(root, "build", "screenshots");
const SIZE = { width: 1280, height: 800 };
const languages = process.argv.length > 2 ? process.argv.slice(2) : ["en", "de"];
const now = () => Math.floor(Date.now() / 1000);

async function eventually(act, text) {
  for (let i = 0; i < 600; i += 1) {
    if (await act()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${text} did not happen`);
}

async function core(browser, command, bytes) {
  const answer = await browser.ask({ ask: "core", command, ...(bytes === undefined ? {} : { bytes }) });
  assert.equal(answer.error, undefined, answer.error);
  return answer.value;
}

/** Takes a picture of a page in both schemes. Small pages stand in the middle of a plain ground. */
async function take(page, name, isSmall) {
  await page.setViewportSize(SIZE);
  if (isSmall) {
    // The policy of the extension's pages forbids a style element.
    await page.evaluate((rules) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(rules);
      document.adoptedStyleSheets = [sheet];
    }, `html { display: grid; place-items: center; min-height: 100vh; background: light-dark(#cfdcd5, #0c100e); color-scheme: light dark; }
        body { width: 460px; padding: 1.5rem; border-radius: .5rem; box-shadow: 0 4px 24px rgb(0 0 0 / .3); zoom: 1.4; }`);
  }
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    const path = join(out, `${name.replace("SCHEME", scheme)}.png`);
    await page.screenshot({ path });
    console.log(path);
  }
}

async function pictures(language) {
  const world = await World.start("nginx");
  world.tellOwners();
  const browser = await Chromium.start(extension, undefined, [], language);
  try {
    await core(browser, { do: "receive", page: null, isAgreed: true, now: now() }, readFileSync(world.coins).toString("base64"));
    const { settings } = await core(browser, { do: "overview", now: now() });
    await core(browser, { do: "setSettings", settings: { ...settings, autopay: 2 } });
    const page = await browser.page();
    for (const i of [1, 2, 3, 4, 5]) {
      await page.goto(`${world.origin}/one/${i}.html`);
      await eventually(async () => (await page.title()) === `Story ${i}`, `page ${i}`);
    }
    await page.goto(`${world.origin}/five/1.html`);
    const prompt = await browser.prompt();
    await take(prompt.page, `${language}-SCHEME-1-asking`, true);
    await prompt.click("#cancel");
    await eventually(async () => (await core(browser, { do: "payments", from: 0, count: 5 })).rows.every((it) => it.outcome === "paid"), "five payments");
    const own = browser.own.page;
    await own.reload();
    await eventually(() => own.evaluate(() => document.querySelector("#payments button") !== null), "the payments");
    await take(own, `${language}-SCHEME-2-wallet`, false);
    await own.evaluate(() => document.getElementById("settings-heading").scrollIntoView());
    await take(own, `${language}-SCHEME-3-limits`, false);
    const permissions = await browser.page();
    await permissions.goto(browser.address("permissions.html"));
    await take(permissions.page, `${language}-SCHEME-4-permissions`, false);
    await own.evaluate(() => document.querySelector("#payments button").click());
    await take(own, `${language}-SCHEME-5-complaint`, false);
  } finally {
    await browser.stop();
    await world.stop();
  }
}

mkdirSync(out, { recursive: true });
for (const language of languages) await pictures(language);
