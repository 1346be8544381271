// Rules of declarativeNetRequest that add a payment to requests for one URL in one tab.

import { api } from "./api.ts";

/** The field that carries a payment. */
export const PAYMENT_HEADER = "MicroMint-Payment";

/** The condition for requests of these types for this very URL; undefined if there is none. */
export async function conditionFor(
  tab: number,
  url: string,
  types: readonly string[],
): Promise<chrome.declarativeNetRequest.RuleCondition | undefined> {
  const common = {
    isUrlFilterCaseSensitive: true,
    tabIds: [tab],
    resourceTypes: types,
    requestMethods: ["get"],
  } as chrome.declarativeNetRequest.RuleCondition;
  // These three characters mean something in a filter and cannot be escaped there.
  if (!/[*^|]/.test(url)) return { ...common, urlFilter: `|${url}|` };
  const regexFilter = `^${url.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
  const { isSupported } = await api.declarativeNetRequest.isRegexSupported({
    regex: regexFilter,
    isCaseSensitive: true,
  });
  return isSupported ? { ...common, regexFilter } : undefined;
}

/** A number for a rule. It is drawn, since a counter would begin again when the worker does. */
export function drawRule(): number {
  const [drawn = 0] = crypto.getRandomValues(new Uint32Array(1));
  return (drawn >>> 2) + 1;
}

/** Adds a rule with this number that sends this payment. */
export async function addRule(
  id: number,
  payment: string,
  condition: chrome.declarativeNetRequest.RuleCondition,
): Promise<void> {
  const action = {
    type: "modifyHeaders",
    requestHeaders: [{ header: PAYMENT_HEADER, operation: "set", value: payment }],
  } as chrome.declarativeNetRequest.RuleAction;
  await api.declarativeNetRequest.updateSessionRules({ addRules: [{ id, action, condition }] });
}

export async function removeRule(id: number | undefined): Promise<void> {
  if (id === undefined) return;
  await api.declarativeNetRequest.updateSessionRules({ removeRuleIds: [id] });
}
