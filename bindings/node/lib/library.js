'use strict';
// The C library through koffi: its functions, errors as exceptions, and objects that free
// themselves. A pointer is a BigInt. Outputs are buffers of eight bytes.

const koffi = require('koffi');
const FUNCTIONS = require('./functions');

/** The minor version of the library, whose functions these are. */
const MINOR = 1;
/** MICROMINT_ERROR_*. */
const ABSENT = 9;
const STATE = 10;

const TYPES = {
  v: 'void', b: 'bool', i: 'int32_t', I: 'uint32_t', l: 'int64_t', L: 'uint64_t', z: 'size_t', d: 'double',
  s: 'const char *', p: 'void *',
};

/** An error of the library. `status` is one of MICROMINT_ERROR_*; the message says what was expected, what was found
 * and where. */
class MicroMintError extends Error {
  constructor(status, message) {
    super(message);
    this.name = 'MicroMintError';
    this.status = status;
  }
}

const path = process.env.MICROMINT_LIBRARY || `libmicromint.so.0.${MINOR}`;
const library = koffi.load(path);
const LOG = koffi.pointer(koffi.proto('void micromint_log(void *userdata, int32_t level, void *text, size_t len)'));

/** The functions of the library without `micromint_`. */
const c = {};
for (const [name, word] of Object.entries(FUNCTIONS)) {
  Object.defineProperty(c, name, {
    configurable: true,
    get() {
      const types = [...word].map((letter) => TYPES[letter]);
      const value = library.func(`micromint_${name}`, types[0], types.slice(1));
      Object.defineProperty(c, name, { value });
      return value;
    },
  });
}

const number = c.version_number();
if (Math.floor(number / 100) !== MINOR) {
  throw new Error(`${path}: expected libmicromint 0.${MINOR}, found number ${number}`);
}

function place() {
  return Buffer.alloc(8);
}

function pointerIn(buffer) {
  return buffer.readBigUInt64LE(0);
}

/** A text (as UTF-8), a text of bytes (latin1 in header fields) or bytes, as C takes them: two arguments. */
function sized(data, encoding = 'utf8') {
  const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : data;
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`expected a string or bytes, found ${typeof data}`);
  }
  return bytes.length === 0 ? [null, 0] : [bytes, bytes.length];
}

/** Checks a number: koffi would wrap it around. */
function integer(what, value, least = 0, most = 0xffffffff) {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new TypeError(`${what}: expected an integer, found ${typeof value === 'bigint' ? `${value}n` : value}`);
  }
  if (value < least || value > most) {
    throw new RangeError(`${what}: expected ${least} to ${most}, found ${value}`);
  }
  return value;
}

/** Checks a truth value: a text such as "no" must not count as true. */
function flag(what, value) {
  if (typeof value !== 'boolean') {
    throw new TypeError(`${what}: expected true or false, found ${typeof value}`);
  }
  return value;
}

function copied(pointer, length) {
  return length === 0 ? Buffer.alloc(0) : Buffer.from(koffi.decode(pointer, 'uint8_t', length));
}

function check(status, error) {
  if (status === 0) {
    return;
  }
  const [text, length, pointer] = [place(), place(), pointerIn(error)];
  c.error_message(pointer, text, length);
  const message = copied(pointerIn(text), Number(pointerIn(length))).toString();
  c.error_free(pointer);
  throw new MicroMintError(status, message);
}

/** Calls a function that returns a status, and throws its error. */
function call(name, ...args) {
  const error = place();
  check(c[name](...args, error), error);
}

/** The same in a thread. */
function callInThread(name, ...args) {
  const error = place();
  return new Promise((resolve, reject) => {
    // `args` keeps the outputs alive until the call has ended.
    c[name].async(...args, error, (failed, status) => {
      try {
        if (failed) {
          throw failed;
        }
        check(status, error);
        resolve(args);
      } catch (fault) {
        reject(fault);
      }
    });
  });
}

/** Calls a function whose last output is an object, and returns its pointer. */
function made(name, ...args) {
  const output = place();
  call(name, ...args, output);
  return pointerIn(output);
}

/** A copy of bytes that a function lends. */
function lent(name, ...args) {
  return texts(1, name, ...args)[0];
}

/** Copies of several byte sequences that a function lends. */
function texts(count, name, ...args) {
  const places = Array.from({ length: 2 * count }, place);
  call(name, ...args, ...places);
  return Array.from({ length: count }, (_, i) =>
    copied(pointerIn(places[2 * i]), Number(pointerIn(places[2 * i + 1]))));
}

/** The bytes of the buffer that a function makes. */
function taken(name, ...args) {
  return take(made(name, ...args));
}

/** The bytes of a buffer, which this frees. */
function take(buffer) {
  const bytes = buffer === 0n ? Buffer.alloc(0) : copied(c.buffer_data(buffer), Number(c.buffer_len(buffer)));
  c.buffer_free(buffer);
  return bytes;
}

const forgotten = new FinalizationRegistry((state) => release(state));

function release(state) {
  if (state.pointer !== 0n) {
    c[`${state.kind}_free`](state.pointer);
    state.pointer = 0n;
    state.after?.();
  }
}

/** An object of the library. It is freed by close() or when it is garbage-collected, but never while a thread uses it.
 * A structured clone or a copy of its properties is no handle. */
class Handle {
  #state;

  constructor(kind, pointer, after) {
    this.#state = { kind, pointer, after, uses: 0, isClosed: false };
    forgotten.register(this, this.#state, this.#state);
  }

  /** The pointer, for a call that ends before anything else happens. */
  get _pointer() {
    if (this.#state.isClosed) {
      throw new MicroMintError(STATE, `the ${this.constructor.name} is closed`);
    }
    return this.#state.pointer;
  }

  /** Calls work with the pointer, which stays valid until its promise is settled. */
  async _use(work) {
    const state = this.#state;
    const pointer = this._pointer;
    state.uses += 1;
    try {
      return await work(pointer);
    } finally {
      state.uses -= 1;
      if (state.isClosed && state.uses === 0) {
        release(state);
      }
    }
  }

  /** Frees the object once no thread uses it. Later calls of its methods throw. */
  close() {
    const state = this.#state;
    state.isClosed = true;
    forgotten.unregister(state);
    if (state.uses === 0) {
      release(state);
    }
  }

  toJSON() {
    throw new TypeError(`a ${this.constructor.name} cannot be serialized`);
  }
}

/** A host with a log; returns its pointer and what frees the callback. */
function hostWithLog(log) {
  const host = c.host_new();
  if (log === undefined) {
    return [host, undefined];
  }
  const callback = koffi.register((_, level, text, length) => {
    // An exception cannot pass through C.
    try {
      log(level, copied(text, Number(length)).toString());
    } catch (fault) {
      process.emitWarning(fault instanceof Error ? fault : String(fault));
    }
  }, LOG);
  c.host_set_log(host, callback, null);
  return [host, () => koffi.unregister(callback)];
}

module.exports = {
  ABSENT, Handle, MicroMintError, c, call, callInThread, copied, flag, hostWithLog, integer, lent, made, place, pointerIn,
  sized, take, taken, texts, version: () => c.version(),
};
