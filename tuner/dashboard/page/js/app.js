// The page: which view the address asks for, the theme, the link to what is shown.
import { forget, isDark } from "./colours.js";
import { copy, el } from "./dom.js";
import { Experiment } from "./experiment.js";
import { Overview } from "./overview.js";

const path = location.pathname.match(/^\/e\/([^/]+)\/?$/);
const page = path ? new Experiment(decodeURIComponent(path[1])) : new Overview();

function showTheme() {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  forget();
  page.redraw?.();
}

function changeTheme() {
  localStorage.setItem("theme", isDark() ? "light" : "dark");
  showTheme();
}

const button = (text, label, onclick) =>
  el("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick }, text);
document.body.append(
  el(
    "a",
    {
      class: "skip",
      href: "#main",
      onclick: (event) => (event.preventDefault(), document.getElementById("main").focus()),
    },
    "Skip to the views",
  ),
  el(
    "header",
    { class: "top" },
    el("a", { class: "brand", href: "/" }, "tuner"),
    path
      ? el(
          "nav",
          { "aria-label": "Breadcrumb" },
          el("a", { href: "/" }, "Experiments"),
          el("span", { "aria-hidden": "true" }, " / "),
          el("span", { "aria-current": "page" }, page.name),
        )
      : null,
    el("span", { class: "space" }),
    path ? page.hints : null,
    path
      ? button("Copy link", "Copy link to what you see", () => copy(location.href, "Link to what you see"))
      : null,
    button("◐", "Light or dark", changeTheme),
  ),
  page.element,
);
document.title = path ? `${page.name} · tuner` : "tuner";
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
page.start();
