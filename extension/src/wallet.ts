// The wallet of the background: the core, and the store under it. The invariants: one call at a time
// in the whole browser, and what a call changed is stored before its answer is returned. If the core
// or storing fails, the instance is thrown away, and nobody acts on its answer.

import { api } from "./api.ts";
import { Core } from "./core.ts";
import { type More, Overtaken, Store } from "./store.ts";

/** An answer with the bytes that go with it. */
export interface Answer<T> {
  readonly value: T;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Open {
  readonly core: Core;
  readonly store: Store;
  /** How many bytes of the file are stored. */
  size: number;
}

const LOCK = "micromint-wallet";
const NO_BYTES = new Uint8Array(0);

/** The core refused a command. The text is for people. */
export class CoreError extends Error {}

export class Wallet {
  private opened: Promise<Open> | undefined;

  /** Begins to load, so that the first call need not wait as long. */
  warm(): void {
    this.open().catch(() => undefined);
  }

  /** Carries out a command. What it changed is stored when this resolves. */
  async call<T>(
    command: object,
    bytes: Uint8Array = NO_BYTES,
    more?: (answer: Answer<T>) => More,
  ): Promise<Answer<T>> {
    return await navigator.locks.request(LOCK, async () => {
      try {
        return await this.once<T>(command, bytes, more);
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error;
        // Another instance, such as an older worker, wrote meanwhile. Decide again on its file.
        return await this.once<T>(command, bytes, more);
      }
    });
  }

  async store(): Promise<Store> {
    return (await this.open()).store;
  }

  private async once<T>(
    command: object,
    bytes: Uint8Array,
    more?: (answer: Answer<T>) => More,
  ): Promise<Answer<T>> {
    const open = await this.open();
    try {
      return await this.callAndStore<T>(open, command, bytes, more);
    } catch (error) {
      if (!(error instanceof CoreError)) {
        // What is in the core may not be what is stored. The next call reads the file again.
        this.opened = undefined;
        open.store.close();
      }
      throw error;
    }
  }

  private async callAndStore<T>(
    open: Open,
    command: object,
    bytes: Uint8Array,
    more?: (answer: Answer<T>) => More,
  ): Promise<Answer<T>> {
    const reply = open.core.call(command, bytes);
    const answer: Answer<T> = { value: reply.value as T, bytes: reply.bytes };
    const extra = reply.error === undefined && more !== undefined ? more(answer) : {};
    // Also what a failing command has changed: the file in the store is the one in the core.
    if (reply.unsaved !== undefined || extra.settings !== undefined || extra.outgoing !== undefined) {
      await open.store.append(open.size, reply.unsaved, extra);
      if (reply.unsaved !== undefined) {
        open.size = reply.unsaved.offset + reply.unsaved.bytes.length;
      }
    }
    if (reply.error !== undefined) throw new CoreError(reply.error);
    return answer;
  }

  private open(): Promise<Open> {
    this.opened ??= this.start().catch((error: unknown) => {
      this.opened = undefined;
      throw error;
    });
    return this.opened;
  }

  private async start(): Promise<Open> {
    const [store, code] = await Promise.all([
      Store.open(),
      fetch(api.runtime.getURL("core.wasm")).then((answer) => answer.arrayBuffer()),
    ]);
    const [core, file, settings] = await Promise.all([
      Core.load(code),
      store.journal(),
      store.settings(),
    ]);
    const reply = core.call({ do: "open", settings: settings ?? "" }, file);
    if (reply.error !== undefined) throw new CoreError(reply.error);
    if (reply.unsaved !== undefined) await store.append(file.length, reply.unsaved);
    const size = reply.unsaved
      ? reply.unsaved.offset + reply.unsaved.bytes.length
      : file.length;
    return { core, store, size };
  }
}
