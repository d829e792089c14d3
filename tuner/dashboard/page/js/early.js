// Runs before the first paint: a chosen theme does not flash, and the table is on its way while the modules load.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden: the system's theme is used.
}

window.asked = new Map();
const name = location.pathname.match(/^\/e\/([^/]+)/)?.[1];
for (const end of name ? ["", "/trials"] : []) {
  const path = `/api/experiments/${name}${end}`;
  const answer = fetch(path);
  answer.catch(() => null); // Who takes it meets the error.
  window.asked.set(path, answer);
}
