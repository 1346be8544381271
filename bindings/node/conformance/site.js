'use strict';
// The conformance application for Express and Fastify (tests/src/bindings.rs).

const http = require('node:http');
const micromint = require('../lib');

const [kind, folder, listen] = process.argv.slice(2);
const vendors = new Map();
const log = (...words) => process.stderr.write(`${words.join(' ')}\n`);

/** The log of requests, which fails for a page that costs seven coins. */
function event(line) {
  log(line);
  if (line.includes(' price=7 ')) {
    throw new Error('the log fails');
  }
}

/** The listener of a vendor, which is made once. */
async function vendor(name) {
  if (!vendors.has(name)) {
    const paywall = new micromint.Paywall(`${folder}/${name}/vendor.toml`, { log: (_, line) => log(line) });
    vendors.set(name, kind === 'express' ? expressSite(paywall) : fastifySite(paywall));
  }
  return vendors.get(name);
}

function terms(headers) {
  const number = (name) => Number(headers[name] ?? '0');
  const [etag, lastModified, size] = (headers['x-case-file'] ?? '').split(' ');
  return {
    price: number('x-case-price'),
    freeViews: number('x-case-free-views'),
    receiptPath: headers['x-case-receipt-path'],
    isDryRun: headers['x-case-dry-run'] === '1',
    chargesRedirects: headers['x-case-redirects'] === '1',
    file: size && { etag, lastModified: Number(lastModified), size: Number(size) } || undefined,
  };
}

async function content(req) {
  const what = req.headers['x-case-content'] ?? '200';
  if (what === 'fail') {
    throw new Error('the page fails');
  }
  let size = 0;
  for await (const piece of req) {
    size += piece.length;
  }
  const fields = JSON.parse(req.headers['x-case-content-headers'] ?? '[]');
  fields.push(['X-Seen', `${req.method} ${size} ${Object.keys(req.headers).join(',')}`]);
  const status = /^\d+$/.test(what) ? Number(what) : 200;
  return { what, status, fields, hasBody: req.method !== 'HEAD' && status !== 204 && status !== 304 };
}

async function* late(what) {
  yield Buffer.from('first');
  if (what === 'fail-late') {
    throw new Error('the page fails');
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
  yield Buffer.from('second');
}

function expressSite(paywall) {
  const app = require('express')();
  app.disable('x-powered-by').disable('etag').set('trust proxy', false);
  const proxied = (req, res, next) => {
    // What a server or a proxy in front would do.
    Object.defineProperty(req, 'secure', { value: req.headers['x-case-https'] === '1' });
    Object.defineProperty(req, 'ip', { value: req.headers['x-case-client'] ?? req.socket.remoteAddress });
    next();
  };
  app.use(proxied, micromint.express(paywall, (req) => terms(req.headers), { onEvent: event }));
  app.use(async (req, res) => {
    const { what, status, fields, hasBody } = await content(req);
    fields.forEach(([name, value]) => res.append(name, value));
    res.status(status);
    if (/^\d+$/.test(what)) {
      res.end(hasBody ? 'content' : undefined);
      return;
    }
    for await (const piece of late(what)) {
      res.write(piece);
    }
    res.end();
  });
  app.use((error, req, res, next) => {
    log(error.stack);
    if (res.headersSent) {
      next(error);
    } else {
      res.status(500).end('error\n');
    }
  });
  return app;
}

async function fastifySite(paywall) {
  let listener;
  const app = require('fastify')({
    rewriteUrl: micromint.rewriteUrl,
    exposeHeadRoutes: false,
    serverFactory: (handler) => {
      listener = handler;
      return http.createServer(handler);
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request, payload, done) => done(null));
  app.addHook('onRequest', async (request) => {
    // What a server or a proxy in front would do.
    const { headers } = request;
    Object.defineProperty(request, 'protocol', { value: headers['x-case-https'] === '1' ? 'https' : 'http' });
    Object.defineProperty(request, 'ip', { value: headers['x-case-client'] ?? request.socket.remoteAddress });
  });
  app.register(micromint.fastify, { paywall, price: (request) => terms(request.headers), onEvent: event });
  const site = async (request, reply) => {
    const { what, status, fields, hasBody } = await content(request.raw);
    fields.forEach(([name, value]) => reply.header(name, value));
    reply.code(status);
    if (/^\d+$/.test(what)) {
      return reply.send(hasBody ? 'content' : undefined);
    }
    return reply.send(require('node:stream').Readable.from(late(what)));
  };
  app.setNotFoundHandler(site);
  app.setErrorHandler((error, request, reply) => {
    log(error.stack);
    reply.code(500).send('error\n');
  });
  await app.ready();
  return listener;
}

const server = http.createServer(async (req, res) => {
  try {
    (await vendor(req.headers['x-case-vendor']))(req, res);
  } catch (error) {
    log(error.stack);
    res.writeHead(500).end();
  }
});
const at = listen.startsWith('unix:') ? listen.slice('unix:'.length) : Number(listen.split(':')[1]);
server.listen(at, listen.startsWith('unix:') ? undefined : '127.0.0.1');
