// The core in WebAssembly: commands in JSON, answers in JSON, and the bytes to store before an answer
// is acted on. See docs/reference/extension.md.

/** What of the wallet file is not stored yet. */
export interface Unsaved {
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** An answer of the core. */
export interface Reply {
  /** The answer; undefined if the core failed. */
  readonly value: unknown;
  /** Why the core failed. */
  readonly error: string | undefined;
  readonly unsaved: Unsaved | undefined;
  /** A file or message that goes with the answer. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  mm_alloc(length: number): number;
  mm_call(command: number, commandLength: number, bytes: number, bytesLength: number): number;
}

const HEAD_NUMBERS = 4;
const NO_BYTES = new Uint8Array(0);

export class Core {
  private constructor(private readonly exports: Exports) {}

  /** Starts an instance without a wallet. */
  static async load(module: BufferSource): Promise<Core> {
    let memory: WebAssembly.Memory | undefined;
    const random = (at: number, length: number): void => {
      if (memory === undefined) throw new Error("random is called before the core is loaded");
      // getRandomValues takes at most 65536 bytes; the core asks for a few.
      crypto.getRandomValues(new Uint8Array(memory.buffer, at, length));
    };
    const { instance } = await WebAssembly.instantiate(module, { env: { random } });
    const exports = instance.exports as unknown as Exports;
    memory = exports.memory;
    return new Core(exports);
  }

  /** Carries out a command. */
  call(command: object, bytes: Uint8Array = NO_BYTES): Reply {
    const text = new TextEncoder().encode(JSON.stringify(command));
    const commandAt = this.put(text);
    const bytesAt = this.put(bytes);
    const at = this.exports.mm_call(commandAt, text.length, bytesAt, bytes.length);
    const memory = this.exports.memory.buffer;
    const [json = 0, unsaved = 0, other = 0, offset = 0] = new Uint32Array(
      memory.slice(at, at + HEAD_NUMBERS * 4),
    );
    const from = at + HEAD_NUMBERS * 4;
    const answer = JSON.parse(
      new TextDecoder().decode(new Uint8Array(memory, from, json)),
    ) as { ok?: unknown; error?: string };
    const copy = (start: number, length: number): Uint8Array<ArrayBuffer> =>
      new Uint8Array(memory.slice(start, start + length));
    return {
      value: answer.ok,
      error: answer.error,
      unsaved: unsaved === 0 ? undefined : { offset, bytes: copy(from + json, unsaved) },
      bytes: copy(from + json + unsaved, other),
    };
  }

  private put(bytes: Uint8Array): number {
    const at = this.exports.mm_alloc(bytes.length);
    new Uint8Array(this.exports.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }
}
