'use strict';
// Parameters, which check coins; messages of the protocol; challenges of the scheme "Payment".

const { ABSENT, Handle, MicroMintError, c, call, copied, integer, lent, made, place, pointerIn, sized, take, taken } =
  require('./library');

const X_MAX = (1n << 64n) - 1n;

/** The public parameters of a period, which check coins. */
class Params extends Handle {
  /** Reads the text of a PERIOD.params file. */
  constructor(toml) {
    super('params', made('params_from_toml', ...sized(toml)));
  }

  /** The text of a PERIOD.params file. */
  toToml() {
    return taken('params_to_toml', this._pointer).toString();
  }

  /** k, the number of balls in a coin. */
  get coinSize() {
    return Number(c.params_coin_size(this._pointer));
  }

  /** Checks coins of a user for a vendor: k inputs per coin, one coin after the other, each a number or a BigInt.
   * Returns 0 if they are good, otherwise one of MICROMINT_COIN_*. Does not check whether they were spent before. */
  check(vendor, user, x) {
    const inputs = Buffer.alloc(Math.max(8, 8 * x.length));
    x.forEach((input, i) => inputs.writeBigUInt64LE(xOf(input), 8 * i));
    const checker = new Handle('checker', made('checker_new', this._pointer, ...sized(vendor)));
    try {
      const fault = place();
      call('checker_check', checker._pointer, ...sized(user), inputs, x.length, fault, null);
      return fault.readInt32LE(0);
    } finally {
      checker.close();
    }
  }

  /** The 64-bit hash of an input, as a BigInt. */
  hash(x) {
    const output = place();
    call('hash', this._pointer, xOf(x), output);
    return pointerIn(output);
  }
}

function xOf(input) {
  if (typeof input === 'bigint') {
    if (input < 0n || input > X_MAX) {
      throw new RangeError(`x: expected 0 to ${X_MAX}, found ${input}`);
    }
    return input;
  }
  return BigInt(integer('x', input, 0, Number.MAX_SAFE_INTEGER));
}

/** A message of one of the types of docs/reference/protocol.md, with every field well formed. */
class Message extends Handle {
  /** Parses a message. */
  constructor(message) {
    super('message', typeof message === 'bigint' ? message : made('message_parse', ...sized(message)));
  }

  /** The Request-Payment in the value of a header field MicroMint-Request. */
  static fromHeader(value) {
    return new Message(made('message_from_header', ...sized(value)));
  }

  /** The type, such as "Payment". */
  get type() {
    return lent('message_type', this._pointer).toString();
  }

  /** The value of a header such as "User-ID"; undefined if this type has no such header. */
  header(name) {
    try {
      return lent('message_header', this._pointer, ...sized(name)).toString();
    } catch (error) {
      if (error instanceof MicroMintError && error.status === ABSENT) {
        return undefined;
      }
      throw error;
    }
  }

  /** The decoded data; empty for a type without. */
  get data() {
    return lent('message_data', this._pointer);
  }

  /** The message in its canonical form. */
  toBytes() {
    return taken('message_print', this._pointer);
  }

  /** The value of a header field: for a Payment that of MicroMint-Payment. */
  toHeader() {
    return taken('message_to_header', this._pointer).toString();
  }
}

/** A challenge of the scheme "Payment" that coins can answer. */
class Challenge extends Handle {
  /** Parses the first such challenge in the value of a header field WWW-Authenticate; throws an error with the status
   * ABSENT if there is none. */
  constructor(value) {
    super('challenge', made('challenge_parse', ...sized(value)));
  }

  /** The Request-Payment that it contains. */
  get request() {
    return new Message(made('challenge_request', this._pointer));
  }

  /** Whether it has expired at a time, in seconds since 1970-01-01 00:00 UTC. */
  hasEnded(now = Math.floor(Date.now() / 1000)) {
    return c.challenge_has_ended(this._pointer, integer('now', now, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
  }

  /** The header field, name and value, that answers it with a Payment message. */
  answer(payment) {
    const places = [place(), place(), place()];
    call('challenge_answer', this._pointer, ...sized(payment), ...places);
    return [copied(pointerIn(places[0]), Number(pointerIn(places[1]))).toString(), take(pointerIn(places[2])).toString()];
  }
}

module.exports = { Challenge, Message, Params };
