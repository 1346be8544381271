// Builds the extension: build/chromium and build/firefox, each with its package beside it.
//   node build.mjs            for the stores
//   node build.mjs --granted  for tests, in build/tests: access to all sites is granted when it is
//                             installed
//
// Input: src/, static/, _locales/, icons/, manifest.template.json, and core.wasm, which
// scripts/build-extension.sh builds first. The same input gives the same bytes on every machine.

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import * as esbuild from "esbuild";
import { zipSync } from "fflate";

const root = dirname(fileURLToPath(import.meta.url));
const isGranted = process.argv.includes("--granted");
const out = join(root, "build", isGranted ? "tests" : "");
const core = join(out, "core.wasm");
/** The time of all files in the packages: the earliest that the format has. */
const NO_TIME = new Date(1980, 0, 1);

execFileSync(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", root], {
  stdio: "inherit",
});

for (const browser of ["chromium", "firefox"]) {
  const folder = join(out, browser);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const entries = ["background", "content", "links", "permissions", "popup", "prompt", "wallet-page"];
  esbuild.buildSync({
    entryPoints: entries.map((name) => join(root, "src", `${name}.ts`)),
    outdir: folder,
    bundle: true,
    // Readable for reviewers; there is little of it.
    minify: false,
    format: "iife",
    target: browser === "chromium" ? "chrome128" : "firefox142",
    charset: "utf8",
    define: { BROWSER: JSON.stringify(browser) },
    legalComments: "none",
  });
  for (const from of ["static", "_locales", "icons"]) copy(join(root, from), from === "static" ? folder : join(folder, from));
  writeFileSync(join(folder, "core.wasm"), readFileSync(core));
  writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(manifest(browser), null, 2)}\n`);
  const files = Object.fromEntries(list(folder).map((path) => [path, readFileSync(join(folder, path))]));
  writeFileSync(join(out, `micromint-${browser}.zip`), zipSync(files, { level: 9, mtime: NO_TIME }));
}

function manifest(browser) {
  const template = JSON.parse(readFileSync(join(root, "manifest.template.json"), "utf8"));
  const { chromium, firefox, ...common } = template;
  const { permissions, ...own } = browser === "chromium" ? chromium : firefox;
  const made = { ...common, ...own, permissions: [...common.permissions, ...permissions].sort() };
  if (isGranted) {
    made.host_permissions = made.optional_host_permissions;
    delete made.optional_host_permissions;
  }
  return made;
}

/** The files below a folder, sorted, with `/` between names. */
function list(folder) {
  const names = readdirSync(folder, { recursive: true }).map(String);
  return names.filter((name) => statSync(join(folder, name)).isFile()).map((name) => name.replaceAll("\\", "/")).sort();
}

function copy(from, to) {
  for (const name of list(from)) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    writeFileSync(join(to, name), readFileSync(join(from, name)));
  }
}

console.log(`${relative(process.cwd(), out)}: chromium, firefox`);
