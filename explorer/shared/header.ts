/**
 * The head of every page: links among the pages of pages.json, which lie in one folder, and the
 * theme. `openPage` puts it before the page's `main`, and gives the tests what a page exposes.
 */

import pages from "../pages.json";
import { make } from "./dom";
import { chooseTheme, chosenTheme, type Theme } from "./theme";
import "./style.css";

const NEXT: Readonly<Record<Theme, Theme>> = { auto: "light", light: "dark", dark: "auto" };

declare global {
  interface Window {
    /** What tests, and the curious, may call: a page's state and its functions without a page. */
    loadpath?: Readonly<Record<string, unknown>>;
  }
}

/**
 * Start a page: its header, its title and its first sentence. Returns its `main` to append to.
 * `exposed` becomes `window.loadpath`.
 */
export function openPage(
  name: string,
  intro: string,
  exposed: Readonly<Record<string, unknown>>,
): HTMLElement {
  const page = pages.find((each) => each.name === name);
  const main = document.querySelector("main");
  if (!page || !main) throw new Error(`There is no page ${name}.`);
  main.id = "main";
  main.append(make("h1", {}, page.title), make("p", { class: "intro" }, intro));
  document.body.prepend(
    make("a", { class: "skip", href: "#main" }, "Skip to the explorer"),
    header(name),
  );
  // The link's own address would become the state's: the jump is made here.
  document.querySelector(".skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    main.tabIndex = -1;
    main.focus();
  });
  window.loadpath = exposed;
  return main;
}

function header(name: string): HTMLElement {
  const links = pages.map((page) =>
    make(
      "a",
      {
        href: `${page.name}.html`,
        title: page.about,
        "aria-current": page.name === name ? "page" : undefined,
      },
      page.title,
    ),
  );
  const theme = make("button", { type: "button", class: "theme" });
  const show = () => {
    theme.textContent = `Theme: ${chosenTheme()}`;
  };
  let now = chosenTheme();
  theme.addEventListener("click", () => {
    now = NEXT[now];
    chooseTheme(now);
    theme.textContent = `Theme: ${now}`;
  });
  show();
  return make(
    "header",
    {},
    make("span", { class: "brand" }, "Loadpath"),
    make("nav", { "aria-label": "Pages of the explorer" }, ...links),
    theme,
  );
}
