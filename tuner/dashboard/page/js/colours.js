// Colours of trials: viridis, cut so that the best stand out most on the page's ground, in light and in dark.

const VIRIDIS = [
  "440154",
  "482475",
  "414487",
  "355f8d",
  "2a788e",
  "21918c",
  "22a884",
  "44bf70",
  "7ad151",
  "bddf26",
  "fde725",
];
export const BINS = 32;

/** Okabe and Ito's colours, told apart by everyone; for categories and trials that are compared. */
const CATEGORIES = {
  light: ["#0072b2", "#d55e00", "#009e73", "#b8568f", "#8a6d00", "#3a9bd9", "#5d3a9b", "#444c56"],
  dark: ["#4ea3dd", "#f08536", "#2dc497", "#e08abf", "#e6c84a", "#8fd0f7", "#b69cf0", "#c3ccd6"],
};
/** The part of viridis from the worst to the best. */
const CUT = { light: [0.86, 0.02], dark: [0.18, 1] };

let palette = null;

/** The colours of the present theme; made anew after `forget`. */
export function colours() {
  palette ??= make(isDark() ? "dark" : "light");
  return palette;
}

export function forget() {
  palette = null;
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function make(theme) {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const [worst, best] = CUT[theme];
  const scale = Array.from({ length: BINS }, (_, bin) =>
    viridis(worst + ((best - worst) * bin) / (BINS - 1)),
  );
  return {
    theme,
    scale,
    categories: CATEGORIES[theme],
    text: read("text"),
    muted: read("muted"),
    line: read("line"),
    card: read("card"),
    faint: read("faint"),
    accent: read("accent"),
    bad: read("bad"),
    font: `11px ${style.getPropertyValue("--font")}`,
    state: (name) => read(`state-${String(name).toLowerCase()}`) || read("muted"),
  };
}

function viridis(place) {
  const at = Math.max(0, Math.min(1, place)) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const channel = (index) => {
    const [from, to] = [VIRIDIS[low], VIRIDIS[low + 1]].map((hex) =>
      parseInt(hex.slice(2 * index, 2 * index + 2), 16),
    );
    return Math.round(from + (to - from) * (at - low));
  };
  return `rgb(${channel(0)}, ${channel(1)}, ${channel(2)})`;
}
