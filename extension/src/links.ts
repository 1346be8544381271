// Only if the owner has switched on prices on links: says what a link costs when the pointer rests on
// it or it has the focus. It adds `title` and `aria-description` and nothing else, so a page can lay
// nothing over it and make nobody click. A page can notice these attributes, as the settings say.

import { amount } from "./amounts.ts";
import { api, say } from "./api.ts";
import type { Hint, Message } from "./messages.ts";

/** How long the pointer or the focus rests on a link before anything is asked. */
const REST_MS = 150;
/** How many links of a page are asked about at most. */
const LINKS_MAX = 200;

const asked = new WeakSet<HTMLAnchorElement>();
let count = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, notice, { capture: true, passive: true });
}

function notice(event: Event): void {
  clearTimeout(timer);
  // Events that the page makes up do not count.
  if (!event.isTrusted || count >= LINKS_MAX) return;
  const link = event.composedPath().find((it) => it instanceof HTMLAnchorElement);
  if (link === undefined || asked.has(link) || !leadsElsewhere(link)) return;
  timer = setTimeout(() => void mark(link), REST_MS);
}

/** Whether a link leads to another page of this site. */
function leadsElsewhere(link: HTMLAnchorElement): boolean {
  const here = location.href.split("#", 1)[0];
  return link.origin === location.origin && link.href.split("#", 1)[0] !== here;
}

async function mark(link: HTMLAnchorElement): Promise<void> {
  asked.add(link);
  count += 1;
  const url = link.href;
  const ask: Message = { to: "background", ask: "linkPrice", url };
  const hint = (await api.runtime.sendMessage(ask).catch(() => undefined)) as
    | (Hint & { error?: string })
    | null
    | undefined;
  // Nobody answered: the next time that the pointer rests here may do better.
  if (hint === undefined || hint?.error !== undefined) asked.delete(link);
  if (!hint || hint.error !== undefined || link.href !== url) return;
  const text = say(hint.isPaid ? "link_paid" : "link_price", amount(hint));
  const title = link.title;
  const description = link.getAttribute("aria-description") ?? title;
  link.title = title === "" ? text : `${title} (${text})`;
  link.setAttribute("aria-description", description === "" ? text : `${description} (${text})`);
}
