// What the browser keeps: the wallet file in chunks, in the order in which they were appended, and
// the settings. The invariant: a chunk is durable when `append` resolves, and two writers cannot both
// append after the same byte.

import type { Unsaved } from "./core.ts";

const NAME = "micromint";
const VERSION = 1;

/** A file that was given out and must not be lost until its owner has it. */
export interface Outgoing {
  readonly name: string;
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Another instance has written meanwhile. Read the file again. */
export class Overtaken extends Error {}

export class Store {
  private constructor(private readonly database: IDBDatabase) {}

  static open(factory: IDBFactory = indexedDB): Promise<Store> {
    return new Promise((resolve, reject) => {
      const request = factory.open(NAME, VERSION);
      request.onupgradeneeded = () => {
        // The wallet file: key = offset of the chunk.
        request.result.createObjectStore("journal");
        // "settings": JSON as the core wrote it.
        request.result.createObjectStore("settings");
        // Files that were moved out.
        request.result.createObjectStore("outbox");
        // Titles of pages, by the number of the payment.
        request.result.createObjectStore("titles");
      };
      request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
      request.onsuccess = () => {
        const database = request.result;
        // A newer version of the extension waits for the old one to let go.
        database.onversionchange = () => database.close();
        resolve(new Store(database));
      };
    });
  }

  close(): void {
    this.database.close();
  }

  /** The wallet file. Empty if there is none. */
  async journal(): Promise<Uint8Array<ArrayBuffer>> {
    const chunks = await this.read<Uint8Array[]>("journal", (store) => store.getAll());
    const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /**
   * Stores what the core appended to the file, after `size` bytes, and whatever else must be stored
   * with it, durably and in one piece.
   */
  append(size: number, unsaved: Unsaved | undefined, more: More = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(
        ["journal", "settings", "outbox"],
        "readwrite",
        { durability: "strict" },
      );
      let failure: Error | undefined;
      transaction.oncomplete = () => resolve();
      transaction.onabort = () =>
        reject(failure ?? transaction.error ?? new Error("IndexedDB: nothing was stored"));
      const fail = (error: Error): void => {
        failure = error;
        transaction.abort();
      };
      if (more.settings !== undefined) {
        transaction.objectStore("settings").put(more.settings, "settings");
      }
      if (more.outgoing !== undefined) {
        transaction.objectStore("outbox").put(more.outgoing, more.outgoing.name);
      }
      const journal = transaction.objectStore("journal");
      const last = journal.openCursor(null, "prev");
      last.onsuccess = () => {
        const cursor = last.result;
        const end =
          cursor === null ? 0 : (cursor.key as number) + (cursor.value as Uint8Array).length;
        if (end !== size) {
          fail(new Overtaken(`expected ${size} stored bytes, found ${end}`));
        } else if (unsaved !== undefined && unsaved.offset === end) {
          journal.put(unsaved.bytes, unsaved.offset);
        } else if (unsaved !== undefined) {
          cut(journal, unsaved.offset, () => journal.put(unsaved.bytes, unsaved.offset));
        }
      };
    });
  }

  settings(): Promise<string | undefined> {
    return this.read<string | undefined>("settings", (store) => store.get("settings"));
  }

  outgoing(): Promise<Outgoing[]> {
    return this.read<Outgoing[]>("outbox", (store) => store.getAll());
  }

  async forget(name: string): Promise<void> {
    await this.write("outbox", (store) => store.delete(name));
  }

  titles(): Promise<Map<number, string>> {
    return new Promise((resolve, reject) => {
      const found = new Map<number, string>();
      const request = this.database.transaction("titles").objectStore("titles").openCursor();
      request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor === null) return resolve(found);
        found.set(cursor.key as number, cursor.value as string);
        cursor.continue();
      };
    });
  }

  async keepTitle(payment: number, title: string): Promise<void> {
    await this.write("titles", (store) => store.put(title, payment));
  }

  private read<T>(name: string, act: (store: IDBObjectStore) => IDBRequest): Promise<T> {
    return new Promise((resolve, reject) => {
      const request = act(this.database.transaction(name).objectStore(name));
      request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
      request.onsuccess = () => resolve(request.result as T);
    });
  }

  private write(name: string, act: (store: IDBObjectStore) => IDBRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(name, "readwrite");
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB"));
      act(transaction.objectStore(name));
    });
  }
}

/** What is stored together with the file. */
export interface More {
  readonly settings?: string;
  readonly outgoing?: Outgoing;
}

/** Removes everything from `offset` on: the core cut off a torn tail, or wrote the file again. */
function cut(journal: IDBObjectStore, offset: number, then: () => void): void {
  const request = journal.openCursor(null, "prev");
  request.onsuccess = () => {
    const cursor = request.result;
    if (cursor === null) return then();
    const start = cursor.key as number;
    const chunk = cursor.value as Uint8Array;
    if (start >= offset) {
      cursor.delete();
      cursor.continue();
    } else {
      if (start + chunk.length > offset) cursor.update(chunk.slice(0, offset - start));
      then();
    }
  };
}
