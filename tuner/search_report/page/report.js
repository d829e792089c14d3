// The report's page: the words are there already; this adds the views, and the choice of light or dark.
import { forget, isDark } from "./colours.js";
import { el, fill, notice } from "./dom.js";
import { Experiment } from "./experiment.js";

const views = document.getElementById("views");

/** The address holds the selection, so links to the parts leave it alone. */
function scrollOn(link) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    document.querySelector(link.getAttribute("href")).scrollIntoView();
  });
}

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
  document.querySelectorAll(".top nav a").forEach(scrollOn);
  if (location.hash.length > 1) views.scrollIntoView();
  page.start();
}

if (typeof DecompressionStream === "function") show();
else fill(views, notice("The views need a newer browser", "The words above are all there."));
