"""Where dots lie on their axis."""

from hypothesis import given
from hypothesis import strategies as st

from anadil.report.dots import Line, over, plot, tick
from anadil.report.estimate import Estimate

values = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(values, values, values), min_size=1, max_size=8))
def test_dots_are_on_the_axis_in_the_order_of_their_figures(figures: list[tuple[float, float, float]]) -> None:
    estimates = [Estimate(sorted(three)[1], min(three), max(three)) for three in figures]
    drawn = plot([Line("a", "", "", [("base", at) for at in estimates])], tick, [])
    assert drawn
    dots = drawn.rows[0].dots
    assert all(0 <= dot.low <= dot.x <= dot.high <= 100 for dot in dots if dot.low is not None and dot.high is not None)
    order = sorted(range(len(dots)), key=lambda n: estimates[n].value)
    assert [dots[n].x for n in order] == sorted(dot.x for dot in dots)
    assert {dot.y for dot in dots} == {50.0}


def test_dots_that_stand_apart_do_not_hide_each_other() -> None:
    line = Line("task", "", "", [("base", Estimate(0.3)), ("subject", Estimate(0.3))], apart=True, mark=0.25)
    drawn = over([line], [0.0, 0.5], tick, [])
    first, second = drawn.rows[0].dots
    assert (first.x, second.x, drawn.rows[0].mark) == (60.0, 60.0, 50.0)
    assert 0 < first.y < second.y < 100


def test_the_axis_holds_what_is_marked_too() -> None:
    drawn = plot([Line("task", "", "", [("subject", Estimate(0.8))], mark=0.25)], tick, [])
    assert drawn
    assert 0 <= (drawn.rows[0].mark or -1) < drawn.rows[0].dots[0].x <= 100
    assert plot([], tick, []) is None
