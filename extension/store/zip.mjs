// Packs a folder, or unpacks a package: the same files give the same bytes.
//   node zip.mjs FOLDER PACKAGE
//   node zip.mjs --extract PACKAGE FOLDER

import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { unzipSync, zipSync } from "fflate";

const [first, second, third] = process.argv.slice(2);
if (first === "--extract") {
  for (const [name, bytes] of Object.entries(unzipSync(readFileSync(second)))) {
    mkdirSync(dirname(join(third, name)), { recursive: true });
    writeFileSync(join(third, name), bytes);
    if (name.endsWith(".sh")) chmodSync(join(third, name), 0o755);
  }
} else {
  const names = readdirSync(first, { recursive: true }).map(String).filter((name) => statSync(join(first, name)).isFile());
  /** Scripts can be executed, on systems that know that. */
  const how = (name) => ({ os: 3, attrs: (name.endsWith(".sh") ? 0o100755 : 0o100644) << 16 });
  const files = Object.fromEntries(names.sort().map((name) => [name, [readFileSync(join(first, name)), how(name)]]));
  writeFileSync(second, zipSync(files, { level: 9, mtime: new Date(1980, 0, 1) }));
}
