// When things are drawn: what changed is told at most once a frame, and long paintings are spread over frames.
//
// A painting is a generator that yields now and then; a new painting of the same owner takes the old one's place.
const BUDGET_MS = 40;

const paintings = new Map();
let calls = [];
let isDue = false;

/** Leaves a mark for whoever measures the page; the last one of each name stays, "painted" while nothing is due. */
export function mark(name) {
  performance.clearMarks(`tuner:${name}`);
  performance.mark(`tuner:${name}`);
}

/** Calls `call` in the next frame. */
export function onFrame(call) {
  calls.push(call);
  schedule();
}

export function paint(owner, painting) {
  paintings.delete(owner);
  paintings.set(owner, painting);
  schedule();
}

/** Ends the painting of `owner` now. */
export function finish(owner) {
  const painting = paintings.get(owner);
  paintings.delete(owner);
  while (painting && !painting.next().done);
}

function schedule() {
  if (isDue) return;
  isDue = true;
  performance.clearMarks("tuner:painted");
  requestAnimationFrame(frame);
}

function frame() {
  isDue = false;
  const due = calls;
  calls = [];
  for (const call of due) call();
  const end = performance.now() + BUDGET_MS;
  for (const [owner, painting] of paintings) {
    let step;
    do step = painting.next();
    while (!step.done && performance.now() < end);
    if (step.done && paintings.get(owner) === painting) paintings.delete(owner);
    if (performance.now() >= end) break;
  }
  if (paintings.size || calls.length) schedule();
  else mark("painted");
}
