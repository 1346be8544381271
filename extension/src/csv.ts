// The payments as a table for other programs: numbers, codes and times are the same in every language.

import type { PaymentRow } from "./messages.ts";

/** The payments as CSV (RFC 4180). A text that a spreadsheet would compute is kept from it. */
export function csv(all: readonly PaymentRow[]): string {
  const cell = (value: string | number): string => {
    const text = String(value);
    const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return `"${plain.replaceAll('"', '""')}"`;
  };
  const head = ["time", "site", "url", "title", "coins", "amount", "currency", "state", "reason", "reference"];
  const lines = all.map((it) => [
    new Date(it.at * 1000).toISOString(), it.vendor, it.url, it.title ?? it.description, it.coins,
    it.worth?.amount ?? "", it.worth?.currency ?? "", it.outcome, it.reason ?? "", it.reference,
  ]);
  return [head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}
