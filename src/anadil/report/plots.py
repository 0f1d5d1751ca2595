"""Curves as inline SVG whose colours are the page's CSS variables, so that one picture serves light and dark."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

MOST_POINTS = 240
WIDTH, HEIGHT = 5.0, 2.7
"""Inches of 72 units: at the width of a phone a letter of 10 units is still one of 7 pixels or more."""
PLACEHOLDERS = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--target)",
    "#050505": "var(--original)",
    "#060606": "var(--other)",
    "#070707": "var(--card)",
}
"""matplotlib knows no CSS variables: each colour is drawn as a shade that nothing else uses, then renamed."""
STYLES: dict[str, dict[str, Any]] = {
    "target": {"color": "#040404", "marker": "o"},
    "original": {"color": "#050505", "marker": "s", "linestyle": (0, (5, 2))},
    "other": {"color": "#060606", "marker": "^", "linestyle": (0, (1.5, 1.5))},
    "loss": {"color": "#010101", "linewidth": 1.3},
}
"""Colours that the colour-blind can tell apart, and beside them a dash and a marker for those who see none."""
SETTINGS = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": "#020202",
    "axes.edgecolor": "#030303",
    "axes.labelcolor": "#020202",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.unicode_minus": True,
    "axes.axisbelow": True,
    "grid.color": "#030303",
    "xtick.color": "#020202",
    "ytick.color": "#020202",
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True)
class Line:
    """One line of a plot: a key of `STYLES` and its (step, value) points."""

    style: str
    points: Sequence[tuple[float, float]]


def curve(lines: Sequence[Line], *, identity: str, description: str) -> Markup:
    """SVG of values over steps; no text of users gets into the picture.

    `identity` makes the ids in the picture its own, among all pictures of a page; `description` is what is read out.
    """
    import matplotlib.style  # takes half a second: only a report pays for it
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    with matplotlib.style.context(["default", SETTINGS | {"svg.hashsalt": identity}]):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.subplots()
        for line in lines:
            points = thin(line.points)
            every = None if len(points) <= 24 else max(1, len(points) // 12)
            axes.plot(*zip(*points, strict=True), markevery=every, **STYLES[line.style])
        axes.set_xlabel("updates")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        file = io.StringIO()
        figure.savefig(
            file, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return _inline(file.getvalue(), description)


def thin(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most `most` points: each the mean of as many neighbours as that takes, `group_size` of them."""
    n = group_size(len(points), most)
    groups = [points[i : i + n] for i in range(0, len(points), n)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def group_size(count: int, most: int = MOST_POINTS) -> int:
    """How many neighbours `thin` puts together."""
    return max(1, -(-count // most))


def _inline(svg: str, description: str) -> Markup:
    """The picture as a part of an HTML page: no prologue, no style of its own, no id that nothing refers to."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = re.sub(r"; font-family: [^;\"]*|font-family: [^;\"]*;? ?", "", svg)
    for shade, variable in PLACEHOLDERS.items():
        svg = svg.replace(shade, variable)
    view = re.search(r'viewBox="[^"]*"', svg)
    assert view, "matplotlib writes a viewBox"
    head = f'<svg class="plot" role="img" aria-label="{escape(description)}" {view[0]}>'
    return Markup(head + svg[svg.index(">") + 1 :].strip())
