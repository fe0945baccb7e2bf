// For `npm run dev` only: serves the sources, and loads them anew as they change.

import { defineConfig } from "vite";
import { withHead } from "./head.mjs";

export default defineConfig({ plugins: [withHead()] });
