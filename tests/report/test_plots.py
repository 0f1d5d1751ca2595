"""Curves as SVG."""

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from anadil.report.plots import STYLES, Line, curve, group_size, thin

POINTS = [(float(step), 3.0 / (1 + step)) for step in range(300)]


def test_picture_is_the_same_each_time_and_takes_its_colours_from_the_page() -> None:
    lines = [Line(style, POINTS) for style in STYLES]
    picture = curve(lines, identity="a", description='x "<&> y')
    assert picture == curve(lines, identity="a", description='x "<&> y')
    used = set(re.findall(r"var\(--(\w+)\)", picture))
    assert used >= {"target", "original", "other", "ink", "muted", "line"}
    assert not re.search(r"#[0-9a-fA-F]{6}|font-family|<style|<\?xml", picture)


def test_pictures_of_one_page_share_no_ids() -> None:
    def ids(identity: str) -> set[str]:
        return set(re.findall(r' id="([^"]*)"', curve([Line("target", POINTS)], identity=identity, description="")))

    assert ids("a")
    assert not ids("a") & ids("b")


def test_picture_is_well_formed_xml() -> None:
    picture = curve([Line("loss", POINTS[:2])], identity="a", description="<")
    space = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    root = ElementTree.fromstring(str(picture).replace("<svg ", f"<svg {space} ", 1))
    assert root.attrib["aria-label"] == "<"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=100), st.integers(1, 50))
def test_thinning_keeps_the_order_and_says_its_group(values: list[float], most: int) -> None:
    points = [(float(i), value) for i, value in enumerate(values)]
    thinned = thin(points, most)
    assert len(thinned) <= most
    assert [x for x, _ in thinned] == sorted(x for x, _ in thinned)
    if group_size(len(points), most) == 1:
        assert thinned == points
    assert all(min(values) - 1e-6 <= y <= max(values) + 1e-6 for _, y in thinned)
