"""What all our pages share: the templates' environment, the style, and figures that carry their exact value."""

import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from anadil.report.dots import ROW
from anadil.report.road_plot import HEIGHT
from anadil.report.words import duration, number, size

_HERE = Path(__file__).parent


def environment(**filters: Any) -> Environment:
    """Templates beside this file: every text is escaped, a name that is not given is an error."""
    found = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {"figure": figure, "duration": duration, "size": size} | filters
    found.globals |= {"row_height": ROW, "road_height": HEIGHT}
    return found


def style(*names: str) -> Markup:
    """The style sheets of these names, one after the other, for a `<style>` element."""
    return Markup("\n".join((_HERE / name).read_text(encoding="utf-8") for name in names))


def figure(value: float | None, show: Any = number, absent: str = "–") -> Markup:
    """A number as people read it, with the exact one as its machine-readable value."""
    if value is None or not math.isfinite(value):
        return Markup("{}").format(show(value) if value is not None else absent)
    return Markup('<data value="{}">{}</data>').format(repr(value), show(value))
