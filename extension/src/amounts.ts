// Amounts in the user's language: numbers, numbers of coins, and what they are worth. The core gives
// data, and all words for them are made here.

import { api, language, say } from "./api.ts";
import type { Amount, Worth } from "./messages.ts";

/** The most decimals of an amount of money; the core has no more. */
const DECIMALS_MAX = 8;
/** "No currency" in ISO 4217. Its sign, ¤, says nothing to most people, so the code is shown. */
const NO_CURRENCY = "XXX";

export function number(value: number): string {
  return new Intl.NumberFormat(language()).format(value);
}

/** A number of coins, such as "1 coin" and "312 coins". A language has a text for each plural. */
export function coins(count: number): string {
  const form = new Intl.PluralRules(language()).select(count);
  return api.i18n.getMessage(`coin_${form}`, [number(count)]) || say("coin_other", number(count));
}

/** Money with all its digits, such as "$3.12" and "€0.0001". */
export function money({ amount, currency }: Worth): string {
  const format = new Intl.NumberFormat(language(), {
    style: "currency",
    currency,
    currencyDisplay: currency === NO_CURRENCY ? "code" : "symbol",
    maximumFractionDigits: DECIMALS_MAX,
  });
  // As text: a number of JavaScript would lose digits.
  return format.format(amount as `${number}`);
}

/** Coins and what they are worth, such as "312 coins ($3.12)". */
export function amount(it: Amount): string {
  return it.worth === null ? coins(it.coins) : say("amount", coins(it.coins), money(it.worth));
}

/** A price that differs between kinds of coins, with an "or" in between. */
export function price(all: readonly Amount[]): string {
  return new Intl.ListFormat(language(), { type: "disjunction" }).format(all.map(amount));
}

/** What a translated text names: a text as it is, a number of coins, or money. */
export function named(it: string | number | Worth): string {
  if (typeof it === "string") return it;
  return typeof it === "number" ? coins(it) : money(it);
}

/** A number that fits on the icon. */
export function short(value: number, sign: "auto" | "exceptZero" = "auto"): string {
  const format = { useGrouping: false, signDisplay: sign } as const;
  return new Intl.NumberFormat(language(), format).format(value);
}
