'use strict';
// Charges for the pages of an application: Express, Fastify, or any listener of node:http.
//
// A body is read only as far as the paywall needs it, at most 60 KiB and a piece, and given back to the stream. The
// event loop never waits for the disk.

const { STATUS_CODES } = require('node:http');
const { Request } = require('./paywall');

/** What node:http refuses in the phrase of a status. */
const NOT_IN_PHRASE = /[^\t\x20-\x7e\x80-\xff]/;
const MEDIA_TYPE = 'application/x-micromint';
/** The method of a payment in a POST that Fastify routes as a GET. */
const kMethod = Symbol('micromint.method');

/** Decides about a request. Resolves to true if the content is to be made: the request is then as the content may see
 * it, and the response is settled when its head is sent. Otherwise the response is sent. */
async function charge(paywall, price, req, res, { target, isHttps, client, onEvent }) {
  const method = req[kMethod] ?? req.method;
  const request = new Request({
    method, target, headers: pairsOf(req.rawHeaders), host: req.headers.host, isHttps, client,
    port: req.socket.localPort ?? 0,
  }, price);
  let decision;
  try {
    const look = paywall.look(request);
    decision = look.decision;
    if (decision === undefined) {
      const body = look.bodyMax === undefined ? null : await readBody(req, look.bodyMax);
      if (body !== null) {
        request.setBody(body);
      }
      decision = await paywall.decide(request);
    }
  } finally {
    request.close();
  }
  if (!decision.serves) {
    answer(decision, method, res, onEvent);
    return false;
  }
  req.method = method;
  hide(decision, req);
  settleWithHead(paywall, decision, res, onEvent);
  return true;
}

function pairsOf(raw) {
  const pairs = [];
  for (let i = 0; i < raw.length; i += 2) {
    pairs.push([raw[i], raw[i + 1]]);
  }
  return pairs;
}

/** Reads a body of at most this many bytes, and gives it back to the stream. Null if it is longer. */
function readBody(req, most) {
  if (Number(req.headers['content-length'] ?? 0) > most) {
    return Promise.resolve(null);
  }
  return new Promise((resolve, reject) => {
    const pieces = [];
    let size = 0;
    const end = (settle, value) => {
      req.off('readable', read).off('error', fail).off('close', leave);
      settle(value);
    };
    const fail = (error) => end(reject, error);
    const leave = () => end(reject, new Error('the client left before its body was read'));
    const read = () => {
      while (size <= most && req.readableLength > 0) {
        const piece = req.read();
        if (piece === null) {
          break;
        }
        pieces.push(piece);
        size += piece.length;
      }
      if (size > most || (req.complete && req.readableLength === 0)) {
        const body = Buffer.concat(pieces);
        // Before the stream notices that it is empty, after which nothing can be given back.
        if (body.length > 0) {
          req.unshift(body);
        }
        end(resolve, size > most ? null : body);
      }
    };
    req.on('readable', read).on('error', fail).on('close', leave);
    read();
  });
}

function answer(decision, method, res, onEvent) {
  const { status, body } = decision;
  change(res, decision.head(status, false, fieldsOf(res)));
  if (status !== 204 && status !== 304) {
    res.setHeader('Content-Length', body.length);
  }
  report(onEvent, decision, status, false);
  decision.close();
  res.writeHead(status);
  res.end(method === 'HEAD' ? undefined : body);
}

/** Gives a log line to its callback. What is settled must be sent, whatever becomes of the line. */
function report(onEvent, decision, status, isReversed) {
  try {
    onEvent?.(decision.event(status, isReversed));
  } catch (error) {
    warn(error);
  }
}

function warn(error) {
  process.emitWarning(error instanceof Error ? error : String(error));
}

/** Makes the request that the content sees. */
function hide(decision, req) {
  const hidden = decision.hiddenHeaders;
  // Both are made of rawHeaders when they are first used.
  for (const name of hidden) {
    delete req.headers[name];
    delete req.headersDistinct?.[name];
  }
  req.rawHeaders = pairsOf(req.rawHeaders).filter(([name]) => !hidden.has(name.toLowerCase())).flat();
  if (decision.isAsGet) {
    req.method = 'GET';
    // The payment, which is whole.
    while (req.read() !== null);
  }
}

/** Settles the request when the head of the response is made, or when the client leaves before. */
function settleWithHead(paywall, decision, res, onEvent) {
  const writeHead = res.writeHead;
  let isSettled = false;
  const settle = (status) => {
    isSettled = true;
    // What the thread will do is known before.
    let isReversed = false;
    try {
      isReversed = paywall.promise(decision, status);
    } catch (error) {
      decision.close();
      throw error;
    }
    paywall.finish(decision, status).catch(warn).finally(() => decision.close());
    report(onEvent, decision, status, isReversed);
    return isReversed;
  };
  res.writeHead = function (code, reason, headers) {
    if (isSettled) {
      return writeHead.apply(this, arguments);
    }
    // What node:http would refuse after the payment is settled.
    const status = Number(code);
    if (!Number.isInteger(status) || status < 100 || status > 999) {
      throw new RangeError(`status: expected a number from 100 to 999, found ${code}`);
    }
    const phrase = typeof reason === 'string' ? reason : (this.statusMessage || STATUS_CODES[status]);
    if (phrase !== undefined && NOT_IN_PHRASE.test(phrase)) {
      throw new TypeError(`statusMessage: expected no control characters, found ${JSON.stringify(phrase)}`);
    }
    setAll(this, typeof reason === 'string' ? headers : reason ?? headers);
    const fields = fieldsOf(this);
    const isReversed = settle(status);
    change(this, decision.head(status, isReversed, fields));
    return phrase === undefined ? writeHead.call(this, status) : writeHead.call(this, status, phrase);
  };
  res.once('close', () => {
    if (isSettled) {
      return;
    }
    try {
      settle(500);
    } catch (error) {
      warn(error);
    }
  });
}

/** The fields that a response has, as pairs. */
function fieldsOf(res) {
  return Object.entries(res.getHeaders()).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => [name, String(one)]));
}

/** Sets what writeHead() was given: an object, or a list of names and values. */
function setAll(res, headers) {
  if (Array.isArray(headers)) {
    const pairs = Array.isArray(headers[0]) ? headers : pairsOf(headers);
    pairs.forEach(([name]) => res.removeHeader(name));
    pairs.forEach(([name, value]) => append(res, name, value));
  } else if (headers) {
    Object.entries(headers).filter(([, value]) => value !== undefined)
      .forEach(([name, value]) => res.setHeader(name, value));
  }
}

function change(res, { remove, add }) {
  remove.forEach((name) => res.removeHeader(name));
  add.forEach(([name, value]) => append(res, name, value));
}

function append(res, name, value) {
  const before = res.getHeader(name);
  res.setHeader(name, before === undefined ? value : [].concat(before, value));
}

/** Middleware for Express: `app.all('/story', express(paywall, 1))` before the routes of the page. `price` is a number,
 * terms, or a function of the request. */
function express(paywall, price, { onEvent } = {}) {
  return (req, res, next) => {
    Promise.resolve()
      .then(() => (typeof price === 'function' ? price(req) : price))
      .then((found) => charge(paywall, found, req, res, {
        target: req.originalUrl ?? req.url,
        isHttps: req.secure ?? Boolean(req.socket.encrypted),
        client: req.ip ?? req.socket.remoteAddress,
        onEvent,
      }))
      .then((serves) => serves && next(), next);
  };
}

/** A listener for node:http around another one. `price` is a number, terms, or a function of the request. If the inner
 * one throws or rejects, the response is 500, and nothing is charged. */
function listener(paywall, price, inner, options) {
  const middleware = express(paywall, price, options);
  const fail = (error, res) => {
    warn(error);
    if (res.headersSent) {
      res.destroy();
      return;
    }
    res.getHeaderNames().forEach((name) => res.removeHeader(name));
    res.statusMessage = undefined;
    res.writeHead(500, { 'Content-Type': 'text/plain' });
    res.end('Internal Server Error\n');
  };
  return (req, res) => middleware(req, res, (error) => {
    if (error !== undefined) {
      fail(error, res);
      return;
    }
    Promise.resolve().then(() => inner(req, res)).catch((fault) => fail(fault, res));
  });
}

/** A plugin for Fastify: routes with `config: { price: 1 }` cost coins. Make the server with
 * `fastify({ rewriteUrl })`, so that a payment in a POST finds the route of the page. `price` of the options, a
 * function of Fastify's request, replaces that of the routes. */
function fastify(app, { paywall, price, onEvent }, done) {
  app.addHook('onRequest', async (request, reply) => {
    const { config } = request.routeOptions;
    // A route whose price is null or undefined is an error, not free.
    const ofRoute = () => (config !== undefined && 'price' in config ? config.price : 0);
    const found = price === undefined ? ofRoute() : await price(request);
    const serves = await charge(paywall, found, request.raw, reply.raw, {
      target: request.originalUrl,
      isHttps: request.protocol === 'https',
      client: request.ip,
      onEvent,
    });
    if (!serves) {
      reply.hijack();
    }
  });
  done();
}
// The hook is for the routes of the whole application.
fastify[Symbol.for('skip-override')] = true;
fastify[Symbol.for('fastify.display-name')] = 'micromint';

/** Lets Fastify route a payment in a POST as the GET that it pays for. */
function rewriteUrl(req) {
  const type = String(req.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  if (req.method === 'POST' && type === MEDIA_TYPE) {
    req[kMethod] = 'POST';
    req.method = 'GET';
  }
  return req.url;
}

module.exports = { express, fastify, listener, rewriteUrl };
