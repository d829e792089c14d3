// Runs before the first paint: a chosen theme does not flash, and what is shown first is on its way while the script loads.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden: the system's theme is used.
}

window.asked = new Map();
const name = location.pathname.match(/^\/e\/([^/]+)/)?.[1];
const tag = new URLSearchParams(location.hash.slice(1)).get("tag");
for (const end of name ? ["", "/trials", "/curves"] : []) {
  const path = `/api/experiments/${name}${end}`;
  const answer = fetch(end === "/curves" && tag ? `${path}?${new URLSearchParams({ tag })}` : path);
  answer.catch(() => null); // Who takes it meets the error.
  window.asked.set(path, answer);
}
