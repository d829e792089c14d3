"""One who looks at the dashboard: opens pages, waits until all is drawn, minds what a page must not do."""

from pathlib import Path
from typing import Any

AXE = Path(__file__).parent / "axe-core-4.14.1" / "axe.min.js"
IDLE = """() => new Promise((done) => {
  const last = (name) => performance.getEntriesByName(`tuner:${name}`).at(-1)?.startTime ?? -1;
  const isIdle = () => last("first") >= 0 && last("painted") >= last("changed");
  let frames = 0;
  const look = () => {
    frames = isIdle() ? frames + 1 : 0;
    if (frames === 3) done();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
INK = """(selector) => [...document.querySelectorAll(`${selector} canvas`)].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let at = 3; at < data.length; at += 4) sum += data[at] > 0;
  return sum;
})"""


class Looker:
    """A page of a browser. `faults` collects errors of the page and requests to elsewhere."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.address = address
        self.faults: list[str] = []
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}} | context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: said.type == "error" and self.faults.append(said.text))
        self.page.on("request", self._mind)

    def _mind(self, request: Any) -> None:
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.faults.append(f"a request to {request.url}")

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)
        self.settle()

    def settle(self) -> None:
        """Waits until all that changed is drawn, and nothing is due for three frames: new sizes come late."""
        self.page.evaluate(IDLE)

    def text(self, selector: str) -> str:
        found: str = self.page.locator(selector).first.inner_text()
        return found

    def ink(self, selector: str) -> list[int]:
        """Pixels drawn, for each canvas in `selector`, the lowest first, once the second one has any.

        A new size of the page clears it for a moment; after five seconds an empty one is empty.
        """
        for _ in range(100):
            found: list[int] = self.page.evaluate(INK, selector)
            if len(found) < 2 or found[1] > 0:
                break
            self.page.wait_for_timeout(50)
        return found

    def drag(self, selector: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Between two places, as shares of the width and height of `selector`."""
        self.page.locator(selector).scroll_into_view_if_needed()
        box = self.page.locator(selector).bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (begin, end)]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        self.page.mouse.move(*places[1], steps=4)
        self.page.mouse.up()
        self.settle()

    def choose(self, title: str, choice: str) -> None:
        """Takes a choice of the menu that saves a view."""
        self.page.get_by_role("button", name=f"Save {title}", exact=True).click()
        self.page.locator(".popover").get_by_role("button", name=choice).click()

    def saved(self, title: str, kind: str) -> bytes:
        """The file of a view: PNG, SVG or CSV."""
        with self.page.expect_download() as waiting:
            self.choose(title, f"({kind})")
        return Path(waiting.value.path()).read_bytes()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def shown(self) -> int:
        """How many trials pass the filters."""
        return int(self.text(".count").split()[0])

    def serious_faults(self) -> list[tuple[str, list[str], str]]:
        """What axe-core finds, once it is loaded: rule, element, summary."""
        found = self.page.evaluate("() => axe.run()")
        return [
            (fault["id"], node["target"], node["failureSummary"])
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]

    def close(self) -> None:
        self.context.close()
