// The core as it is shipped, in node: vectors of testdata/, and properties of the boundary and of the
// TypeScript around it.
//   node --test test/core.test.mjs

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import * as esbuild from "esbuild";
import fc from "fast-check";
import { IDBFactory } from "fake-indexeddb";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const testdata = join(root, "..", "testdata");
const wasm = readFileSync(process.env["MICROMINT_CORE_WASM"] ?? join(root, "build", "tests", "core.wasm"));
const { Core } = await load("core");
const { Store, Overtaken } = await load("store");

/** 2026-12-10 12:00 UTC, within the period of the vectors. */
const NOW = 1_796_904_000;

/** A module of the extension. */
async function load(name) {
  const out = join(root, "build", "test", `${name}.mjs`);
  await esbuild.build({ entryPoints: [join(root, "src", `${name}.ts`)], outfile: out, bundle: true, format: "esm" });
  return await import(pathToFileURL(out).href);
}

const message = (name) => readFileSync(join(testdata, "messages", `${name}.txt`));
const vectors = (name) => JSON.parse(readFileSync(join(testdata, `${name}.json`), "utf8")).vectors;

async function wallet(file = new Uint8Array(0), settings = "") {
  const core = await Core.load(wasm);
  const reply = core.call({ do: "open", settings }, file);
  assert.equal(reply.error, undefined);
  // The stored file, as the extension keeps it.
  let stored = Buffer.from(file);
  const keep = (it) => {
    if (it.unsaved !== undefined) stored = Buffer.concat([stored.subarray(0, it.unsaved.offset), it.unsaved.bytes]);
    return it;
  };
  keep(reply);
  return {
    core,
    stored: () => stored,
    call: (command, bytes) => {
      const answer = keep(core.call(command, bytes));
      assert.equal(answer.error, undefined, answer.error);
      return answer.value;
    },
    fails: (command, bytes) => keep(core.call(command, bytes)).error,
  };
}

const visit = { kind: "opened", isPrivate: false, tried: [] };
const offer = (text) => Buffer.from(text).toString("base64url");

/** A request of the vectors' vendor, with another price or page. */
function request(price, url) {
  const text = message("request-payment").toString();
  return offer(text.replace(/^Price: .*$/m, `Price: ${price}`).replace(/^URL: .*$/m, `URL: ${url}`));
}
const URL_OF_VECTORS = "https://news.example/2026/12/page?id=7&x=%2F..%2f";

async function withCoins(settings) {
  const made = await wallet(undefined, settings === undefined ? "" : JSON.stringify(settings));
  assert.equal(made.call({ do: "receive", page: null, isAgreed: true, now: NOW }, message("funds-withdrawn")).received, "new");
  return made;
}

test("the coins of the vectors pay for the page of the vectors", async () => {
  const made = await withCoins({ autopay: 10 });
  const verdict = made.call({ do: "pay", url: URL_OF_VECTORS, request: request(2, URL_OF_VECTORS), visit, manifest: null, now: NOW });
  assert.equal(verdict.verdict, "send", JSON.stringify(verdict));
  const sent = Buffer.from(verdict.header, "base64url").toString();
  const expected = message("payment").toString();
  const field = (text, name) => text.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
  for (const name of ["URL", "User-ID", "Vendor-ID", "Period"]) assert.equal(field(sent, name), field(expected, name), name);
  assert.equal(field(sent, "Coins"), "2");
});

test("a wallet file made of the records in testdata/wallet.json opens", async () => {
  // The later records need coins that the vectors do not have.
  const all = vectors("wallet");
  const orders = all.slice(0, all.findIndex((it) => it.type !== 13 && it.type !== 14));
  assert.ok(orders.length >= 4);
  const file = journal(orders.map((it) => Buffer.from(it.payload, "hex")));
  const made = await wallet(file);
  assert.deepEqual(made.stored(), file, "nothing is written into a file that is only opened");
  assert.deepEqual(made.call({ do: "overview", now: NOW }).holdings, []);
});

test("the refused messages of testdata are refused", async () => {
  const made = await withCoins({ autopay: 100 });
  let count = 0;
  for (const { type, text, why } of vectors("refused-messages")) {
    if (type === "Funds-Withdrawn") {
      assert.ok(made.fails({ do: "receive", page: null, isAgreed: true, now: NOW }, Buffer.from(text)), why);
      count += 1;
    } else if (type === "Request-Payment") {
      assert.ok(made.fails({ do: "pay", url: URL_OF_VECTORS, request: offer(text), visit, manifest: null, now: NOW }), why);
      count += 1;
    }
  }
  assert.ok(count > 10, `only ${count} vectors`);
  assert.equal(made.call({ do: "overview", now: NOW }).payments, 0);
});

test("after every call, the stored bytes open to the same wallet", async () => {
  const step = fc.record({ price: fc.integer({ min: 1, max: 4 }), page: fc.integer({ min: 1, max: 3 }), status: fc.constantFrom(200, 402, 502) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
      const made = await withCoins({ autopay: 3, dayLimit: 6 });
      for (const { price, page, status } of steps) {
        const url = `https://news.example/${page}`;
        const verdict = made.call({ do: "pay", url, request: request(price, url), visit, manifest: null, now: NOW });
        if (verdict.verdict === "send") {
          const word = { 200: "paid", 402: "spent", 502: null }[status];
          made.call({ do: "answer", payment: verdict.payment, status, word, reason: null, retryAfter: null, cookies: [], isBody: false, firstSent: NOW, isComplete: true, now: NOW });
        } else if (verdict.verdict === "ask") {
          assert.ok(price > 3 || verdict.over !== null || verdict.wasPaid, JSON.stringify(verdict));
        }
        const again = await wallet(made.stored(), JSON.stringify({ autopay: 3, dayLimit: 6 }));
        const look = { do: "overview", now: NOW };
        assert.deepEqual(again.call(look), made.call(look));
      }
      const { days } = made.call({ do: "overview", now: NOW });
      const spent = days.reduce((sum, [, , coins]) => sum + coins, 0);
      assert.ok(spent <= 6, `the limit of 6 coins is passed: ${spent}`);
    }),
    { numRuns: 25 },
  );
});

test("nonsense is an error and never a payment", async () => {
  const made = await withCoins({ autopay: 100 });
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.webUrl(), async (request, url) => {
      const error = made.fails({ do: "pay", url, request, visit, manifest: null, now: NOW });
      assert.equal(typeof error, "string");
    }),
  );
  for (const command of [{}, { do: "steal" }, { do: "pay" }, { do: "setSettings", settings: { autopay: -1 } }, { do: "answer", payment: 9 }]) {
    assert.equal(typeof made.fails(command), "string");
  }
  assert.equal(made.call({ do: "overview", now: NOW }).payments, 0);
});

test("the store gives back what was appended, in any pieces, cut or not", async () => {
  const piece = fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }), back: fc.integer({ min: 0, max: 50 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const store = await Store.open(new IDBFactory());
      let expected = Buffer.alloc(0);
      for (const { bytes, back } of pieces) {
        const offset = Math.max(0, expected.length - back);
        await store.append(expected.length, { offset, bytes });
        expected = Buffer.concat([expected.subarray(0, offset), bytes]);
        assert.deepEqual(Buffer.from(await store.journal()), expected);
      }
      store.close();
    }),
    { numRuns: 50 },
  );
});

test("of two writers with the same view one is overtaken, and nothing of it is stored", async () => {
  const factory = new IDBFactory();
  const [first, second] = [await Store.open(factory), await Store.open(factory)];
  await first.append(0, { offset: 0, bytes: Uint8Array.of(1, 2) });
  await assert.rejects(second.append(0, { offset: 0, bytes: Uint8Array.of(3) }, { settings: "x" }), Overtaken);
  assert.deepEqual([...(await second.journal())], [1, 2]);
  assert.equal(await second.settings(), undefined);
});

test("every language has every text, and every text is used", () => {
  const names = (language) => Object.keys(JSON.parse(readFileSync(join(root, "_locales", language, "messages.json"), "utf8"))).sort();
  const all = names("en");
  for (const language of readdirSync(join(root, "_locales"))) assert.deepEqual(names(language), all, language);
  const sources = readdirSync(join(root, "src")).map((it) => readFileSync(join(root, "src", it), "utf8"));
  const source = [...sources, readFileSync(join(root, "manifest.template.json"), "utf8")].join("");
  // Families of texts whose names are put together.
  const families = ["badge", "over", "page", "refuse", "outcome", "setting"];
  const unused = all.filter((it) => !source.includes(it) && !families.includes(it.split("_", 1)[0]));
  assert.deepEqual(unused, []);
});

/** A journal (docs/reference/journal.md) of the kind wallet. */
function journal(payloads) {
  const header = Buffer.alloc(32);
  header.write("MMjrnl1\nwallet\0\0", "latin1");
  const seed = 7;
  header.writeUInt32LE(seed, 16);
  header.writeUInt32LE(crc32c(header.subarray(0, 28), 0), 28);
  const records = payloads.map((payload) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(payload.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32LE(crc32c(Buffer.concat([length, payload]), seed));
    return Buffer.concat([length, sum, payload]);
  });
  return Buffer.concat([header, ...records]);
}

function crc32c(bytes, seed) {
  let crc = ~seed >>> 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
