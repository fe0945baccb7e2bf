// Builds each page of pages.json into one HTML file that needs nothing else, and writes it into a
// folder. The same sources give the same bytes.
//
// Run `npm run build -- FOLDER`. `make explorer` builds into the package, and keeps there what it
// built the pages from: see manifest.py.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";
import { withHead } from "./head.mjs";

const here = dirname(fileURLToPath(import.meta.url));
if (!process.argv[2]) throw new Error("Name the folder: npm run build -- FOLDER.");
const out = resolve(process.argv[2]);
const pages = JSON.parse(readFileSync(join(here, "pages.json"), "utf8"));

mkdirSync(out, { recursive: true });
for (const page of pages) {
  const built = await build({
    root: here,
    configFile: false,
    logLevel: "warn",
    plugins: [withHead(), viteSingleFile({ removeViteModuleLoader: true })],
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      rollupOptions: { input: join(here, `${page.name}.html`) },
    },
  });
  const files = built.output.filter((file) => file.type === "asset");
  if (built.output.length !== 1 || files.length !== 1) {
    const names = built.output.map((file) => file.fileName).join(", ");
    throw new Error(`${page.name}.html must be one file, but the build made ${names}.`);
  }
  const html = `${String(files[0].source).trimEnd()}\n`;
  writeFileSync(join(out, `${page.name}.html`), html);
  console.log(`${page.name}.html  ${(html.length / 1024).toFixed(0)} KiB`);
}
