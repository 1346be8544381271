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
const { entriesOf, ENTRIES_MAX, listed } = await load("prices");
const { problemIn, serviceOf } = await load("complain");
const { csv } = await load("csv");

/** 2026-12-10 12:00 UTC, within the period of the vectors. */
const NOW = 1_796_904_000;

/** A module of the extension. */
async function load(name) {
  const out = join(root, "build", "test", `${name}.mjs`);
  await esbuild.build({ entryPoints: [join(root, "src", `${name}.ts`)], outfile: out, bundle: true, format: "esm", define: { BROWSER: '"chromium"' } });
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
  const texts = (language) => JSON.parse(readFileSync(join(root, "_locales", language, "messages.json"), "utf8"));
  // The plurals beside one and other are those of the language.
  const names = (language) => Object.keys(texts(language)).filter((it) => !/^coin_(zero|two|few|many)$/.test(it)).sort();
  const all = names("en");
  for (const language of readdirSync(join(root, "_locales"))) {
    assert.deepEqual(names(language), all, language);
    assert.equal(texts(language).language.message, language);
    for (const form of new Intl.PluralRules(language).resolvedOptions().pluralCategories) assert.ok(texts(language)[`coin_${form}`], `${language}: coin_${form}`);
  }
  const sources = readdirSync(join(root, "src")).map((it) => readFileSync(join(root, "src", it), "utf8"));
  const source = [...sources, readFileSync(join(root, "manifest.template.json"), "utf8")].join("");
  // Families of texts whose names are put together.
  const families = ["badge", "coin", "frozen", "over", "page", "permission", "refuse", "outcome", "setting"];
  const unused = all.filter((it) => !source.includes(it) && !families.includes(it.split("_", 1)[0]));
  assert.deepEqual(unused, []);
});

test("the table of payments is read back cell by cell, and a spreadsheet computes nothing of it", () => {
  const text = fc.string({ maxLength: 12 });
  const row = fc.record({ at: fc.integer({ min: 0, max: 4e9 }), vendor: text, url: text, title: text, coins: fc.nat(500), worth: fc.option(fc.record({ amount: fc.constantFrom("0.01", "3.12"), currency: fc.constantFrom("USD", "XTS") })), outcome: text, reason: fc.option(text), reference: text });
  fc.assert(fc.property(fc.array(row, { maxLength: 4 }), (rows) => {
    const made = csv(rows);
    const cells = [...made.matchAll(/"((?:[^"]|"")*)"(,|\r\n)/g)];
    assert.equal(cells.map((it) => it[0]).join(""), made);
    assert.equal(cells.length, 10 * (rows.length + 1));
    for (const [i, it] of rows.entries()) {
      const found = cells.slice(10 * (i + 1), 10 * (i + 2)).map((cell) => cell[1].replaceAll('""', '"'));
      const plain = [it.vendor, it.url, it.title, String(it.coins), it.worth?.amount ?? "", it.worth?.currency ?? "", it.outcome, it.reason ?? "", it.reference];
      assert.deepEqual(found.slice(1).map((cell, j) => (cell === `'${plain[j]}` ? plain[j] : cell)), plain);
      assert.ok(found.every((cell) => !/^[=+\-@\t\r]/.test(cell)), JSON.stringify(found));
    }
  }));
});

test("no page of the extension is translated by the browser", () => {
  const pages = readdirSync(join(root, "static")).filter((it) => it.endsWith(".html"));
  assert.ok(pages.length >= 4);
  for (const it of pages) assert.match(readFileSync(join(root, "static", it), "utf8"), /<html translate="no">/, it);
});

test("every permission is explained", () => {
  const template = JSON.parse(readFileSync(join(root, "manifest.template.json"), "utf8"));
  const texts = JSON.parse(readFileSync(join(root, "_locales", "en", "messages.json"), "utf8"));
  const all = [...template.permissions, ...template.chromium.permissions, ...template.firefox.permissions];
  assert.deepEqual(all.filter((it) => texts[`permission_${it}`] === undefined), []);
});

test("the most specific entry of a price list decides, in whatever order they stand", () => {
  const prices = [
    { path: "/2026/{id}/", coins: 2 },
    { path: "/2026/about/", coins: 0 },
    { path: "/{*rest}", coins: 3, suffix: [".pdf", ".epub"] },
    { path: "/archive/{*rest}", coins: 4 },
    { path: "/archive/x", coins: 5 },
    { path: "/archive/x/", coins: 6 },
    { path: "/a%20b/{id}", coins: 7 },
    { path: "/100%25/{id}", coins: 8 },
    { path: "/same/{id}", coins: 9 },
    { path: "/same/{name}", coins: 10 },
    { path: "/sub/{*rest}", coins: 11 },
    { path: "/sub/{*rest}", coins: 12, suffix: [".gz"] },
    { path: "/sub/{*rest}", coins: 1, suffix: ["tar.gz"] },
  ];
  const cases = [
    ["/2026/7/", 2], ["/2026/7", 2], ["/2026/about", 0], ["/2026/7/x", undefined], ["/x/y.pdf", 3], ["/x/y.txt", undefined],
    ["/archive", 4], ["/archive/", 4], ["/archive/a/b", 4], ["/archive/x", 5], ["/archive/x/", 6],
    ["/a%20b/1", 7], ["/100%25/1", 8], ["/100/1", undefined], ["/same/1", 10], ["//2026//7/", 2], ["/%32026/7/", 2],
    ["/2026%2F7/", undefined], ["/sub/a", 11], ["/sub/a.gz", 12], ["/sub/a.tar.gz", 1], ["/", undefined], ["/%ff", undefined],
  ];
  for (const list of [prices, prices.toReversed?.() ?? [...prices].reverse()]) {
    const entries = entriesOf(JSON.stringify({ version: 1, prices: list }));
    assert.equal(entries.length, prices.length);
    for (const [path, coins] of cases) assert.equal(listed(entries, path), coins, path);
  }
});

test("a price list that is none, or is too long, is no list", () => {
  for (const text of ["", "[]", "null", "{}", '{"prices":{}}', '{"prices":[1,null,{"path":"x","coins":1},{"path":"/x","coins":-1},{"path":"/x","coins":1,"suffix":"a"}]}']) {
    assert.deepEqual(entriesOf(text), [], text);
  }
  const list = (count) => entriesOf(JSON.stringify({ prices: Array.from({ length: count }, (_, i) => ({ path: `/${i}`, coins: 1 })) }));
  assert.equal(list(ENTRIES_MAX).length, ENTRIES_MAX);
  assert.equal(list(ENTRIES_MAX + 1).length, 0);
  fc.assert(fc.property(fc.json(), fc.webPath(), (text, path) => void listed(entriesOf(text), path)));
});

test("a link says its price from a cent on, and that the page is paid for", async () => {
  const made = await withCoins({ autopay: 10 });
  const url = "https://news.example/1";
  const hint = (said, at = url) => made.call({ do: "hint", url: at, said, now: NOW });
  const before = hint({ request: request(2, url) });
  assert.equal(before.isPaid, false);
  const verdict = made.call({ do: "pay", url, request: request(2, url), visit, manifest: null, now: NOW });
  made.call({ do: "answer", payment: verdict.payment, status: 200, word: "paid", reason: null, retryAfter: null, cookies: [], isBody: false, firstSent: NOW, isComplete: true, now: NOW });
  assert.deepEqual(hint({ request: request(2, url) }), { ...before, isPaid: true });
  assert.deepEqual(hint({ listed: { vendor: "news.example", coins: 3, value: "0.01 USD" } }, "https://news.example/2#part"), {
    coins: 3, worth: { amount: "0.03", currency: "USD" }, isSmall: false, isPaid: false,
  });
  assert.equal(hint({ listed: { vendor: "news.example", coins: 3, value: "0.001 USD" } }).isSmall, true);
  for (const said of [{ request: request(2, "https://news.example/9") }, { request: "?" }, { listed: { vendor: "other.example", coins: 1, value: "1 USD" } }, { listed: { vendor: "news.example" } }, {}]) {
    assert.equal(typeof made.fails({ do: "hint", url, said, now: NOW }), "string", JSON.stringify(said));
  }
});

test("why nothing is paid is said in a code and values, and amounts are data", async () => {
  const made = await withCoins({ autopay: 10 });
  const url = "https://news.example/1";
  const text = message("request-payment").toString().replace(/^URL: .*$/m, `URL: ${url}`).replace(/^Price: .*$/m, "Price: 2");
  const decide = (changed, at = url) => made.call({ do: "pay", url: at, request: offer(changed), visit, manifest: null, now: NOW });
  const field = (name) => text.match(new RegExp(`^${name}: (.*)$`, "m"))[1];
  const [broker, period, value] = ["Broker", "Period", "Coin-Value"].map(field);
  const [amount, currency] = value.split(" ");
  const why = (verdict) => {
    assert.equal(verdict.verdict, "refuse", JSON.stringify(verdict));
    return [verdict.code, verdict.values, verdict.text];
  };
  const none = decide(text.replace(`Broker: ${broker}`, "Broker: https://other.example/"));
  assert.deepEqual(why(none), ["noSuchCoins", ["https://other.example/", period], ""]);
  const [price] = none.prices;
  assert.equal(none.prices.length, 1);
  assert.deepEqual([price.coins, price.worth.currency, Number(price.worth.amount)], [2, currency, 2 * Number(amount)]);
  assert.deepEqual(why(decide(text.replace(`Coin-Value: ${value}`, "Coin-Value: 7.5 EUR"))), ["otherCoinValue", [broker, { amount: "7.5", currency: "EUR" }, { amount, currency }], ""]);
  assert.deepEqual(why(decide(text, "https://news.example/2")), ["otherPage", [url], ""]);
  const [held] = made.call({ do: "overview", now: NOW }).holdings;
  assert.deepEqual(held.value, { amount, currency });
  const [code, [costs, has]] = why(decide(text.replace(/^Price: .*$/m, "Price: 500")));
  assert.deepEqual([code, costs], ["tooFewCoins", 500]);
  // Not every coin is good at every vendor.
  assert.ok(has > 2 && has <= held.unspent, `${has} of ${held.unspent}`);
  const late = made.call({ do: "pay", url, request: offer(text), visit, manifest: null, now: NOW + 90 * 86_400 });
  assert.deepEqual(why(late), ["notValidNow", [period], ""]);
  made.call({ do: "moveOut", now: NOW });
  assert.deepEqual(made.call({ do: "overview", now: NOW }).frozen, { why: "left", at: NOW });
  assert.deepEqual(why(decide(text)), ["frozen", [], ""]);
});

test("a complaint carries the payment, its words are bounded, and it moves no coin", async () => {
  const made = await withCoins({ autopay: 10 });
  const url = "https://news.example/1";
  const { payment, header } = made.call({ do: "pay", url, request: request(2, url), visit, manifest: null, now: NOW });
  const look = { do: "overview", now: NOW };
  const [before, stored] = [made.call(look), made.stored()];
  const [row] = made.call({ do: "payments", from: 0, count: 1 }).rows;
  const answer = made.core.call({ do: "complaint", payment, text: "  paid, and no page came\n" });
  assert.equal(answer.error, undefined);
  assert.deepEqual(answer.value, { broker: row.broker, user: made.call(look).holdings[0].user, vendor: "news.example", reference: row.reference });
  const complaint = JSON.parse(Buffer.from(answer.bytes).toString());
  assert.deepEqual(complaint, {
    id: row.reference, text: "paid, and no page came", payment: Buffer.from(header, "base64url").toString(),
  });
  assert.match(complaint.id, /^[\w.-]{1,64}$/, "the form that the broker accepts");
  assert.deepEqual(Buffer.from(made.core.call({ do: "complaint", payment, text: "paid, and no page came" }).bytes), Buffer.from(answer.bytes));
  assert.equal(made.core.call({ do: "complaint", payment, text: "x".repeat(4096) }).error, undefined);
  for (const bad of [{ payment, text: "x".repeat(4097) }, { payment, text: " \n" }, { payment: 9, text: "x" }]) {
    assert.equal(typeof made.fails({ do: "complaint", ...bad }), "string");
  }
  assert.deepEqual(made.call(look), before);
  assert.deepEqual(made.stored(), stored);
});

test("complaints go to secure addresses only, and what a broker says is bounded", () => {
  for (const [broker, expected] of [
    ["https://broker.example", "https://broker.example/v1/complaints"],
    ["https://broker.example/mm/", "https://broker.example/mm/v1/complaints"],
    ["http://localhost:7/", "http://localhost:7/v1/complaints"],
    ["http://127.0.0.1:7", "http://127.0.0.1:7/v1/complaints"],
    ["http://broker.example/", undefined],
    ["http://localhost.broker.example/", undefined],
    ["ftp://localhost/", undefined],
    ["javascript:alert(1)", undefined],
    ["", undefined],
  ]) {
    assert.equal(serviceOf(broker)?.href, expected, broker);
  }
  assert.deepEqual(problemIn('{"title":"too-many","detail":"100 already"}'), { title: "too-many", detail: "100 already" });
  assert.equal(problemIn(JSON.stringify({ detail: "x".repeat(1000) })).detail.length, 300);
  for (const text of ["", "null", "[]", '{"title":7}']) assert.deepEqual(problemIn(text), { title: "", detail: "" }, text);
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
