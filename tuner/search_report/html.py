"""The page of a report: words as plain HTML, the views' data and script behind them, all in one file.

Text is escaped where it is put in, by `_text`; data is base64. The content policy names the one script and
the one style sheet by their hashes, and allows no request at all.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from tuner.dashboard import bundle
from tuner.search_report.words.parts import Listing, Section, Table

OWN = Path(__file__).parent / "page"
DASHBOARD = Path(__file__).parents[1] / "dashboard" / "page"

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data: blob:; style-src '$style_hash'; script-src '$script_hash'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$name · tuner report</title>
<link rel="icon" href="data:image/svg+xml;base64,$icon">
<style>$style</style>
</head>
<body class="report" data-name="$name">
<header class="top">
<span class="brand">tuner</span>
<nav aria-label="Parts"><a href="#words">In words</a>$link</nav>
<span class="space"></span>
<span class="theme"></span>
</header>
<article class="words" id="words">
<h1>$name</h1>
<p class="muted">$subtitle</p>
$words
</article>
$views
</body>
</html>
""")
_VIEWS = Template("""<section class="views" id="views" aria-label="Views">
<noscript>The views are drawn by JavaScript: allow it for this file.</noscript>
</section>
$blocks
<script>$script</script>""")


def page(name: str, subtitle: str, sections: Sequence[Section], blocks: Mapping[str, str]) -> str:
    """The whole file; without blocks it has no views."""
    script = bundle.script("report.js", [OWN, DASHBOARD / "js"]) if blocks else ""
    style = "".join((folder / file).read_text() for folder, file in _STYLES)
    return _PAGE.substitute(
        name=_text(name),
        subtitle=_text(subtitle),
        style=style,
        style_hash=_hash(style),
        script_hash=_hash(script),
        icon=base64.b64encode((DASHBOARD / "icon.svg").read_bytes()).decode(),
        link=' <a href="#views">Views</a>' if blocks else "",
        words="\n".join(line for section in sections for line in _section(section)),
        views=_VIEWS.substitute(blocks="\n".join(_blocks(blocks)), script=script) if blocks else "",
    )


_STYLES = ((DASHBOARD, "style.css"), (OWN, "report.css"))


def _blocks(blocks: Mapping[str, str]) -> Iterator[str]:
    for name, content in blocks.items():
        yield f'<script type="text/plain" id="held-{name}">{content}</script>'


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _section(section: Section) -> Iterator[str]:
    yield f"<section><h2>{_text(section.title)}</h2>"
    yield from (f"<p>{_text(sentence)}</p>" for sentence in section.sentences)
    if section.tables:
        yield f'<div class="tables">{"".join(map(_table, section.tables))}</div>'
    yield from map(_listing, section.listings)
    yield "</section>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.columns)
    top = f"<thead><tr>{head}</tr></thead>" if any(table.columns) else ""
    rows = "".join(
        f'<tr><th scope="row">{_text(first)}</th>{"".join(f"<td>{_text(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in table.rows
    )
    return f'<div class="scroll" tabindex="0"><table>{top}<tbody>{rows}</tbody></table></div>'


def _listing(listing: Listing) -> str:
    return f'<h3>{_text(listing.title)}</h3><pre tabindex="0">{_text(listing.text)}</pre>'


def _text(text: str) -> str:
    """As HTML shows it, without characters that a file cannot hold."""
    return escape(text.encode(errors="backslashreplace").decode())
