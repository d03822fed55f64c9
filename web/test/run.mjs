// SPDX-License-Identifier: Apache-2.0
//
// Runs the tests: `node test/run.mjs unit` or `browser`, and names of files to run only those.
// They are bundled first, because node 18 and 20 do not read TypeScript.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const [kind, ...names] = process.argv.slice(2);
const folder = join(here, kind ?? "unit");
const files = readdirSync(folder).filter((file) => file.endsWith(".test.ts"));
const chosen = files.filter((file) => names.length === 0 || names.some((name) => file.startsWith(name)));
if (chosen.length === 0) {
  console.error(`run.mjs: no test in ${folder} is called ${names.join(" or ")}`);
  process.exit(2);
}

const MEASURING = /^long\./;

function run(out, some) {
  if (some.length === 0) {
    return 0;
  }
  const concurrency = kind === "browser" ? ["--test-concurrency=2"] : [];
  const bundles = some.map((file) => join(out, file.replace(/\.ts$/, ".mjs")));
  const args = ["--enable-source-maps", "--test", "--test-reporter=spec", ...concurrency, ...bundles];
  return spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;
}

// Within node_modules, where a bundle finds the packages that it imports.
const out = mkdtempSync(join(here, "..", "node_modules", ".test-"));
let status = 1;
try {
  await build({
    entryPoints: chosen.map((file) => join(folder, file)),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node18",
    outdir: out,
    outExtension: { ".js": ".mjs" },
    sourcemap: "inline",
    packages: "external",
    define: { "globalThis.SONDE_WEB": JSON.stringify(join(here, "..")) },
    absWorkingDir: join(here, ".."),
  });
  // Browser tests wait more than they work, so that two at a time are done in half the time; but
  // what measures frames has the machine to itself.
  const measuring = chosen.filter((file) => kind === "browser" && MEASURING.test(file));
  const others = chosen.filter((file) => !measuring.includes(file));
  status = Math.max(run(out, measuring), run(out, others));
} finally {
  rmSync(out, { recursive: true, force: true });
}
process.exit(status);
