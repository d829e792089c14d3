// The report's page: the words are there already; this adds the views, and the choice of light or dark.
import { forget, isDark } from "./colours.js";
import { el, fill, notice } from "./dom.js";
import { Experiment } from "./experiment.js";

const views = document.getElementById("views");

function show() {
  const page = new Experiment(document.body.dataset.name);
  fill(views, page.element);
  const redraw = () => (forget(), page.redraw());
  const change = () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    redraw();
  };
  const label = "Light or dark";
  document
    .querySelector(".theme")
    .append(
      el("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick: change }, "◐"),
    );
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  page.start();
}

if (typeof DecompressionStream === "function") show();
else fill(views, notice("The views need a newer browser", "The words above are all there."));
