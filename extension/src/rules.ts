// Conditions of declarativeNetRequest that hold for one URL in one tab.

import { api } from "./api.ts";

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
