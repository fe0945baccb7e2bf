// What all pages have in their heads. The policy lets a page load nothing and send nothing anywhere:
// all that it needs is in the file.

import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Licences of what is bundled into pages, which must go where that goes. */
const NOTICE = ["uplot"].map((name) => {
  const folder = join(here, "node_modules", name);
  const { homepage, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const licence = readFileSync(join(folder, "LICENSE"), "utf8").trim();
  return `This page contains ${name} ${version}, ${homepage}\n\n${licence}`;
});

/** A plugin of Vite: wraps the few lines of a page's own HTML into a whole document. */
export function withHead() {
  return {
    name: "loadpath-head",
    transformIndexHtml: {
      order: "pre",
      handler(body, { filename, server }) {
        const pages = JSON.parse(readFileSync(join(here, "pages.json"), "utf8"));
        const page = pages.find((each) => each.name === basename(filename, ".html"));
        if (!page) throw new Error(`${basename(filename)} is not listed in pages.json.`);
        // While sources are served for development, they are files of their own.
        const policy = server
          ? ""
          : `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
        return `<!DOCTYPE html>
<!--
${NOTICE.join("\n\n")}
-->
<html lang="en">
<head>
<meta charset="utf-8">
${policy}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title} | Loadpath explorer</title>
<meta name="description" content="${page.about}">
<link rel="icon" href="data:,">
</head>
<body>
${body}</body>
</html>
`;
      },
    },
  };
}
