// Asking the owner, in a window of the extension, one at a time. Nothing is drawn into a page, where
// the page could lay something over it. A question ends with an answer, when its window or tab is
// closed, or after a while; all but an answer mean no. If its window cannot be opened, it fails, and
// the next question is asked.

import { api } from "./api.ts";
import type { Choice, Asked } from "./messages.ts";

/** How long a question waits for an answer. */
const ANSWER_MS_MAX = 5 * 60_000;
/** How many questions wait at most. More are declined: a page may ask in a loop. */
const WAITING_MAX = 20;
const WIDTH = 460;
const HEIGHT = 480;

interface Waiting {
  readonly id: string;
  readonly tab: number;
  readonly asked: Asked;
  readonly resolve: (choice: Choice) => void;
  readonly reject: (error: unknown) => void;
}

export class Prompts {
  private readonly waiting: Waiting[] = [];
  private shown: { readonly id: string; window: number | undefined } | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    api.windows.onRemoved.addListener((window) => {
      if (this.shown !== undefined && this.shown.window === window) {
        this.answer(this.shown.id, "cancel");
      }
    });
    // A question of a tab in the background waits until the owner looks at the tab.
    api.tabs.onActivated.addListener(() => void this.next());
  }

  /**
   * Asks. A second question of the same tab takes the place of its first. Rejects if the browser
   * opens no window.
   */
  ask(tab: number, asked: Asked): Promise<Choice> {
    this.cancel(tab);
    if (this.waiting.length >= WAITING_MAX) return Promise.resolve("cancel");
    return new Promise((resolve, reject) => {
      this.waiting.push({ id: crypto.randomUUID(), tab, asked, resolve, reject });
      void this.next();
    });
  }

  /** The question with this number. */
  question(id: string): Asked | undefined {
    return this.waiting.find((it) => it.id === id)?.asked;
  }

  answer(id: string, choice: Choice): void {
    this.end(id, (it) => it.resolve(choice));
  }

  /** Ends a question, and asks the next one. */
  private end(id: string, settle: (it: Waiting) => void): void {
    const at = this.waiting.findIndex((it) => it.id === id);
    const [found] = at < 0 ? [] : this.waiting.splice(at, 1);
    if (this.shown?.id === id) {
      clearTimeout(this.timer);
      const window = this.shown.window;
      this.shown = undefined;
      if (window !== undefined) void api.windows.remove(window).catch(() => undefined);
    }
    if (found !== undefined) settle(found);
    void this.next();
  }

  /** The tab was closed, or has gone to another page. */
  cancel(tab: number): void {
    for (const it of this.waiting.filter((it) => it.tab === tab)) this.answer(it.id, "cancel");
  }

  private async next(): Promise<void> {
    if (this.shown !== undefined) return;
    for (const it of [...this.waiting]) {
      const tab = await api.tabs.get(it.tab).catch(() => undefined);
      if (this.shown !== undefined) return;
      if (tab === undefined) {
        this.answer(it.id, "cancel");
        return;
      }
      if (!tab.active || !this.waiting.includes(it)) continue;
      const shown: { readonly id: string; window: number | undefined } = {
        id: it.id,
        window: undefined,
      };
      this.shown = shown;
      this.timer = setTimeout(() => this.answer(it.id, "cancel"), ANSWER_MS_MAX);
      try {
        const window = await open(it.id);
        if (this.shown === shown) shown.window = window;
        else if (window !== undefined) await api.windows.remove(window).catch(() => undefined);
      } catch (error) {
        this.end(it.id, (failed) => failed.reject(error));
      }
      return;
    }
  }
}

/** Opens the window for a question. Returns its number. */
async function open(id: string): Promise<number | undefined> {
  const window = await api.windows.create({
    type: "popup",
    url: api.runtime.getURL(`prompt.html?id=${id}`),
    width: WIDTH,
    height: HEIGHT,
    focused: true,
  });
  return window?.id;
}
