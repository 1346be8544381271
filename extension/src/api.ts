// The browser's own functions, under one name. Firefox calls them `browser`, Chromium `chrome`; both
// return promises.

declare const BROWSER: "chromium" | "firefox";

export const api: typeof chrome =
  (globalThis as { browser?: typeof chrome }).browser ?? globalThis.chrome;

/** Whether this is the package for Firefox. A constant when the package is built. */
export const isFirefox: boolean = BROWSER === "firefox";

/** The time that the core is given: whole seconds since 1970. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** A text in the user's language. */
export function say(name: string, ...values: string[]): string {
  return api.i18n.getMessage(name, values) || name;
}

/**
 * The language of the texts, with the browser's region if the browser has the same language. Numbers
 * and plurals follow it, so they fit the texts around them.
 */
export function language(): string {
  const [browser, own] = [api.i18n.getUILanguage(), say("language")];
  return browser.split("-", 1)[0] === own ? browser : own;
}

/** How long a background can do nothing before the browser stops it. */
const IDLE_MS = 20_000;

/** Waits, and keeps the background from being stopped meanwhile. */
export async function wait(seconds: number): Promise<void> {
  const ends = Date.now() + seconds * 1000;
  for (let left = ends - Date.now(); left > 0; left = ends - Date.now()) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, IDLE_MS)));
    await api.runtime.getPlatformInfo();
  }
}
