'use strict';
// A vendor's paywall, for any web server or framework.

const { isIP } = require('node:net');
const {
  Handle, c, call, callInThread, flag, hostWithLog, integer, lent, made, place, pointerIn, sized, taken, texts,
} = require('./library');

/** Request fields that the content must not see if a decision ignoresConditions. */
const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'];
/** Request fields that the content must not see if a decision isAsGet. */
const BODY_FIELDS = ['content-length', 'content-type', 'content-encoding', 'transfer-encoding', 'expect'];
const NEEDS_BODY = 1;
const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number;

const TERMS = ['price', 'freeViews', 'receiptPath', 'isDryRun', 'chargesRedirects', 'file'];

/** What a page costs: a price in coins, or an object with terms. A misspelt term must not make a page free. */
function termsOf(price) {
  const terms = typeof price === 'object' && price !== null ? price : { price };
  const unknown = Object.keys(terms).find((name) => !TERMS.includes(name));
  if (unknown !== undefined || !('price' in terms)) {
    const found = unknown === undefined ? 'no price' : `${JSON.stringify(unknown)}`;
    throw new TypeError(`terms: expected a price and any of ${TERMS.slice(1).join(', ')}, found ${found}`);
  }
  return { freeViews: 0, isDryRun: false, chargesRedirects: false, ...terms };
}

/** A request to a page, whose body was not read yet. */
class Request extends Handle {
  /**
   * `target` is path and query as received, or with scheme and authority before them; `headers` is a list of pairs;
   * `host` is the Host field; `port` is the port at which the connection was accepted, 0 if it is not known; `client`
   * is the client's address, and anything but an IP address is unknown.
   */
  constructor({ method, target, headers = [], host, isHttps = true, port = 0, client }, price) {
    const terms = termsOf(price);
    super('request', c.request_new());
    const [authority, local] = splitTarget(target);
    this.#text('method', method);
    this.#text('target', local);
    if (authority !== undefined || host !== undefined) {
      this.#text('host', authority ?? host);
    }
    for (const [name, value] of headers) {
      c.request_add_header(this._pointer, ...sized(name, 'latin1'), ...sized(value, 'latin1'));
    }
    c.request_set_https(this._pointer, flag('isHttps', isHttps));
    c.request_set_port(this._pointer, integer('port', port, 0, 65535));
    c.request_set_price(this._pointer, integer('price', terms.price));
    c.request_set_free_views(this._pointer, integer('freeViews', terms.freeViews));
    c.request_set_dry_run(this._pointer, flag('isDryRun', terms.isDryRun));
    c.request_set_charges_redirects(this._pointer, flag('chargesRedirects', terms.chargesRedirects));
    if (terms.receiptPath !== undefined) {
      this.#text('receipt_path', terms.receiptPath);
    }
    const address = String(client ?? '').split('%')[0];
    if (isIP(address)) {
      this.#text('client', address);
    }
    if (terms.file !== undefined) {
      this.#file(terms.file);
    }
  }

  /** The whole body was read. */
  setBody(body) {
    c.request_set_body(this._pointer, ...sized(body));
  }

  #text(name, value) {
    c[`request_set_${name}`](this._pointer, ...sized(value, 'latin1'));
  }

  #file({ etag, lastModified, size }) {
    c.request_set_file(this._pointer, true);
    if (etag !== undefined) {
      this.#text('etag', etag);
    }
    if (lastModified !== undefined) {
      const at = integer('lastModified', lastModified, MIN_SAFE_INTEGER, MAX_SAFE_INTEGER);
      c.request_set_last_modified(this._pointer, at);
    }
    if (size !== undefined) {
      c.request_set_size(this._pointer, integer('size', size, 0, MAX_SAFE_INTEGER));
    }
  }
}

/** What to do with a request. If it `serves`, remove the `hiddenHeaders` from the request, make the content, pass the
 * status of its response to Paywall.finish(), and change its head() as it says. Otherwise respond with `status`,
 * head() and `body`. */
class Decision extends Handle {
  constructor(pointer) {
    super('decision', pointer);
    this.serves = c.decision_serves(pointer);
    /** The status of the answer; 0 if the content is served. */
    this.status = c.decision_status(pointer);
    /** Serve as a GET without a body: the request was a payment in a POST. */
    this.isAsGet = c.decision_is_as_get(pointer);
    /** Send the whole content even if the client has a fresh copy. */
    this.ignoresConditions = c.decision_ignores_conditions(pointer);
  }

  /** A word for logs: unpaid, paid, receipt, retry, spent and others. */
  get outcome() {
    return lent('decision_outcome', this._pointer).toString();
  }

  /** The User-ID of the payer; empty if there is none. */
  get user() {
    return lent('decision_user', this._pointer).toString();
  }

  /** How many coins this request spent. */
  get coins() {
    return c.decision_coins(this._pointer);
  }

  /** The body of the answer. */
  get body() {
    return lent('decision_body', this._pointer);
  }

  /** The names, in lower case, of all request fields that the content must not see. */
  get hiddenHeaders() {
    const count = Number(c.decision_strip_header_count(this._pointer));
    const names = new Set([
      ...(this.ignoresConditions ? CONDITIONS : []),
      ...(this.isAsGet ? BODY_FIELDS : []),
    ]);
    for (let i = 0; i < count; i++) {
      names.add(lent('decision_strip_header', this._pointer, i).toString('latin1').toLowerCase());
    }
    return names;
  }

  /** What to change in the header fields of a response: `{ remove: names, add: pairs }`. `headers` are pairs. */
  head(status, isReversed, headers) {
    const fields = new Handle('fields', c.fields_new());
    for (const [name, value] of headers) {
      c.fields_add(fields._pointer, ...sized(name, 'latin1'), ...sized(value, 'latin1'));
    }
    const number = integer('status', status, 0, 999);
    const head = new Handle('head', made('decision_head', this._pointer, number, isReversed, fields._pointer));
    fields.close();
    const [remove, add] = [[], []];
    for (let i = 0; i < Number(c.head_remove_count(head._pointer)); i++) {
      remove.push(lent('head_remove', head._pointer, i).toString('latin1'));
    }
    for (let i = 0; i < Number(c.head_add_count(head._pointer)); i++) {
      add.push(texts(2, 'head_add', head._pointer, i).map((text) => text.toString('latin1')));
    }
    head.close();
    return { remove, add };
  }

  /** A log line about the request, such as `micromint paid status=200 price=1 coins=1 user=alice`. */
  event(status, isReversed = false) {
    return taken('decision_event', this._pointer, integer('status', status, 0, 999), isReversed, false).toString();
  }
}

/** Decides about requests for a vendor's pages. */
class Paywall extends Handle {
  /** Opens the paywall of a configuration file (docs/reference/vendor.md), and creates its till and the secret of
   * receipts if they do not exist. `log(level, line)` receives lines for the error log (level 1 error, 2 warning, 3
   * information). */
  constructor(config, { log } = {}) {
    const [host, after] = hostWithLog(log);
    try {
      call('paywall_prepare', ...sized(config), host);
      super('paywall', made('paywall_open', ...sized(config), host), after);
    } catch (error) {
      after?.();
      throw error;
    } finally {
      c.host_free(host);
    }
  }

  /** Looks at a request whose head is read. Never waits for the disk. Returns `{ decision }`, or `{ bodyMax }`: read
   * the body, and if it has at most this many bytes pass it to setBody(), then decide(); or `{}`: decide(). */
  look(request) {
    const [what, bodyMax, decision] = [place(), place(), place()];
    call('paywall_look', this._pointer, request._pointer, what, bodyMax, decision);
    if (pointerIn(decision) !== 0n) {
      return { decision: new Decision(pointerIn(decision)) };
    }
    return what.readInt32LE(0) === NEEDS_BODY ? { bodyMax: Number(pointerIn(bodyMax)) } : {};
  }

  /** Decides about a request, in a thread: the disk is waited for. An accepted payment is recorded. */
  async decide(request) {
    const output = place();
    await this._use((paywall) =>
      request._use((asked) => callInThread('paywall_decide', paywall, asked, output)));
    return new Decision(pointerIn(output));
  }

  /** The answer that a client without a payment gets, for a page that tells what another one costs. */
  priceTag(request) {
    return new Decision(made('paywall_price_tag', this._pointer, request._pointer));
  }

  /** What finish() will return, without waiting for the disk. Call finish() within thirty seconds. */
  promise(decision, status) {
    const isReversed = place();
    const number = integer('status', status, 100, 999);
    call('paywall_promise', this._pointer, decision._pointer, number, isReversed);
    return isReversed[0] !== 0;
  }

  /** Reports the status of the content's response, in a thread. If it is not a success, the payment is reversed: then
   * this returns true. */
  async finish(decision, status) {
    const isReversed = place();
    const number = integer('status', status, 100, 999);
    await this._use((paywall) =>
      decision._use((decided) => callInThread('paywall_finish', paywall, decided, number, isReversed)));
    return isReversed[0] !== 0;
  }

  /** The counters of this process in the text format of Prometheus. */
  metrics() {
    return taken('paywall_metrics', this._pointer).toString();
  }
}

/** The authority of a target in absolute form, and path and query. */
function splitTarget(target) {
  const parts = /^[A-Za-z0-9]+:\/\/(?:[^/?#]*@)?([^/?#@]*)([^]*)$/.exec(target);
  if (parts === null) {
    return [undefined, target];
  }
  return [parts[1], parts[2].startsWith('/') ? parts[2] : `/${parts[2]}`];
}

module.exports = { Decision, Paywall, Request };
