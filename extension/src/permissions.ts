// The page that explains each permission, and where the access to all sites is given and taken back.

import { api, say } from "./api.ts";
import { begin, byId, element, label } from "./page.ts";

const ALL_SITES = { origins: ["<all_urls>"] };

void start();

async function start(): Promise<void> {
  begin("permissions_heading");
  label("intro", "permissions_intro");
  label("sites-heading", "permissions_sites");
  label("sites-text", "permissions_sites_text");
  label("sends-heading", "permissions_sends");
  label("sends-text", "permissions_sends_text");
  label("grant", "grant_button");
  label("withdraw", "permissions_withdraw");
  const { permissions = [] } = api.runtime.getManifest();
  byId("permissions").replaceChildren(
    ...[...permissions].sort().flatMap((name) => [element("dt", name), element("dd", say(`permission_${name}`))]),
  );
  byId("grant").addEventListener("click", () => void api.permissions.request(ALL_SITES).then(show));
  byId("withdraw").addEventListener("click", () => void api.permissions.remove(ALL_SITES).then(show, show));
  await show();
}

async function show(): Promise<void> {
  const isGranted = await api.permissions.contains(ALL_SITES);
  label("sites-state", isGranted ? "permissions_granted" : "permissions_notGranted");
  byId("grant").hidden = isGranted;
  byId("withdraw").hidden = !isGranted;
}
