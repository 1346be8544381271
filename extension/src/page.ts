// What the extension's own pages share: asking the background, and building elements. Texts are set
// as text, never as HTML.

import { api, language, say } from "./api.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import type { Message } from "./messages.ts";

type Ask = Message extends infer M ? (M extends unknown ? Omit<M, "to"> : never) : never;

/** Asks the background. */
export async function ask<T>(message: Ask): Promise<T> {
  const answer = (await api.runtime.sendMessage({ to: "background", ...message })) as T & {
    error?: string;
  };
  if (typeof answer === "object" && answer !== null && typeof answer.error === "string") {
    throw new Error(answer.error);
  }
  return answer;
}

/** Gives a command to the core. */
export async function command<T>(
  it: object,
  bytes?: Uint8Array,
): Promise<{ value: T; bytes: Uint8Array<ArrayBuffer> }> {
  const message = { ask: "core", command: it } as const;
  const answer = await ask<{ value: T; bytes: string }>(
    bytes === undefined ? message : { ...message, bytes: toBase64(bytes) },
  );
  return { value: answer.value, bytes: fromBase64(answer.bytes) };
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`expected an element ${id}`);
  return found as T;
}

/** Sets the text of an element to one in the user's language. */
export function label(id: string, name: string, ...values: string[]): void {
  byId(id).textContent = say(name, ...values);
}

export function element(tag: string, text?: string, name?: string): HTMLElement {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name !== undefined) made.className = name;
  return made;
}

/** Fills a description list. */
export function facts(id: string, rows: readonly (readonly [string, string])[]): void {
  byId(id).replaceChildren(
    ...rows.flatMap(([name, value]) => [element("dt", say(name)), element("dd", value)]),
  );
}

/** The title and the language of a page. */
export function begin(title: string): void {
  document.documentElement.lang = language();
  document.documentElement.dir = api.i18n.getMessage("@@bidi_dir");
  document.title = say(title);
  label("heading", title);
}

export function date(seconds: number): string {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium" }).format(
    new Date(seconds * 1000),
  );
}

export function time(seconds: number): string {
  return new Intl.DateTimeFormat(language(), {
    dateStyle: "short",
    timeStyle: "short",
  }).format(new Date(seconds * 1000));
}

/** A UTC day, given as `2026-12-31`. */
export function day(date: string): string {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeZone: "UTC" }).format(
    new Date(date),
  );
}

/** Offers a file for download. */
export function save(name: string, content: BlobPart, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
