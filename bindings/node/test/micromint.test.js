'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const {
  Challenge, Message, MicroMintError, Params, Paywall, Request, fastify, listener, version,
} = require('../lib');

const TOML = fs.readFileSync(path.join(__dirname, '../../../testdata/periods/2026-12.params'), 'utf8');
const COIN = [0x892, 0x245, 0x1298, 0x78a];

function vendor(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'micromint-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.mkdirSync(path.join(folder, 'periods'));
  const toml = TOML.replace(/^start = "\d+/m, 'start = "2020').replace(/^expiration = "\d+/m, 'expiration = "2031')
    .replace(/^redeem-until = "\d+/m, 'redeem-until = "2032');
  fs.writeFileSync(path.join(folder, 'periods/2026-12.params'), toml);
  const config = path.join(folder, 'vendor.toml');
  fs.writeFileSync(config, 'vendor-id = "news.example"\norigins = ["http://news.example"]\n' +
    'periods = "periods"\ntill = "till"\n');
  return config;
}

test('a coin is good for its user', () => {
  const params = new Params(TOML);
  assert.equal(params.check('news.example', 'alice', COIN), 0);
  assert.equal(params.check('news.example', 'bob', COIN.map(BigInt)), 4);
  assert.equal(params.hash(0x892), 0x881e58b86050a8bcn);
  assert.equal(params.coinSize, 4);
  assert.throws(() => params.hash(-1), RangeError);
  assert.throws(() => params.hash(1n << 64n), RangeError);
  assert.throws(() => JSON.stringify(params), TypeError);
  assert.throws(() => structuredClone(params).coinSize.valueOf(), TypeError);
  params.close();
  params.close();
  assert.throws(() => params.toToml(), (error) => error instanceof MicroMintError && error.status === 10);
  assert.throws(() => new Params('period = 7'), /expected a string/);
  assert.equal(version(), '0.1.0');
});

test('numbers out of range are errors', () => {
  const ask = (price, rest) => new Request({ method: 'GET', target: '/', ...rest }, price);
  for (const name of ['price', 'freeViews']) {
    for (const value of [2 ** 32, -1, 2 ** 53 - 1]) {
      assert.throws(() => ask({ price: 1, [name]: value }), RangeError);
    }
    for (const value of [1.5, NaN, Infinity, 2 ** 64, true, '1', null, 1n]) {
      assert.throws(() => ask({ price: 1, [name]: value }), TypeError);
    }
  }
  assert.throws(() => ask('1'), TypeError);
  assert.throws(() => ask(1, { port: 65536 }), RangeError);
  assert.throws(() => ask({ price: 1, isDryRun: 'no' }), TypeError);
});

test('terms without a price are errors and never free', () => {
  for (const terms of [{}, [], [1], new Number(1), { freeViews: 1 }, { price: undefined }, { price: 1, reciptPath: '/' }]) {
    assert.throws(() => new Request({ method: 'GET', target: '/' }, terms), TypeError);
  }
});

test('a route of Fastify whose price is missing is an error', async (t) => {
  const paywall = new Paywall(vendor(t));
  const app = require('fastify')();
  app.register(fastify, { paywall });
  for (const [path, config] of [['/null', { price: null }], ['/undefined', { price: undefined }], ['/free', {}]]) {
    app.get(path, { config }, async () => 'content');
  }
  const status = async (url) => (await app.inject({ url, headers: { host: 'news.example' } })).statusCode;
  assert.equal(await status('/null'), 500);
  assert.equal(await status('/undefined'), 500);
  assert.equal(await status('/free'), 200);
  await app.close();
  paywall.close();
});

test('a listener that throws answers 500', async (t) => {
  t.mock.method(process, 'emitWarning', () => {});
  const paywall = new Paywall(vendor(t));
  const inner = (req, res) => {
    if (req.url === '/throws') {
      throw new Error('the page fails');
    }
    return req.url === '/rejects' ? Promise.reject(new Error('the page fails')) : res.writeHead(1000).end();
  };
  const server = http.createServer(listener(paywall, 0, inner)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  for (const path of ['/throws', '/rejects', '/status']) {
    const answer = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers: { connection: 'close' } });
    assert.equal(answer.status, 500);
  }
  server.close();
  paywall.close();
});

test('a price and a challenge are read', async (t) => {
  const lines = [];
  const paywall = new Paywall(vendor(t), { log: (level, line) => lines.push([level, line]) });
  const request = new Request({ method: 'GET', target: 'http://u@news.example/story', isHttps: false }, 2);
  const { decision } = paywall.look(request);
  assert.equal(decision.status, 402);
  const fields = Object.fromEntries(decision.head(402, false, []).add);
  const wanted = Message.fromHeader(fields['MicroMint-Request']);
  assert.equal(wanted.type, 'Request-Payment');
  assert.equal(wanted.header('Price'), '2');
  assert.equal(wanted.header('Nothing'), undefined);
  const challenge = new Challenge(fields['WWW-Authenticate']);
  assert.deepEqual(challenge.request.toBytes(), wanted.toBytes());
  assert.equal(challenge.hasEnded(), false);
  assert.equal(challenge.hasEnded(2 ** 40), true);
  assert.throws(() => challenge.answer('nonsense'), MicroMintError);
  assert.match(paywall.metrics(), /micromint/);
  assert.ok(lines.some(([level]) => level === 2));
  // It is freed when no thread uses it.
  const pending = Array.from({ length: 20 }, () => paywall.decide(request));
  paywall.close();
  assert.equal((await Promise.all(pending)).length, 20);
  await assert.rejects(paywall.decide(request), /closed/);
});
