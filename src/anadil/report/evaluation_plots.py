"""What the section of each measure draws: dots with their intervals on a common axis."""

from collections.abc import Sequence

from anadil.report import dots
from anadil.report.evaluation_words import changed, measured_ends, measured_said, task_said
from anadil.report.measures import Measured
from anadil.report.task_facts import Task
from anadil.report.words import capital, part

WHOLE = (0.0, 0.25, 0.5, 0.75, 1.0)
LEGEND = {"base": "base", "subject": "this run", "mark": "chance"}


def forest(tasks: Sequence[Task]) -> dots.Plot | None:
    """Each task with the base and with this run."""
    lines = [_task(task) for task in tasks]
    styles = {style for line in lines for style, _ in line.dots}
    styles |= {"mark"} if any(line.mark is not None for line in lines) else set()
    legend = [(style, name) for style, name in LEGEND.items() if style in styles]
    return dots.plot(lines, part, legend)


def _task(task: Task) -> dots.Line:
    found = [("base", task.before)] if task.before else []
    figures = " → ".join(part(at.value) for at in (task.before, task.after) if at)
    change = changed(task.change, task.items, "questions")
    mark = task.chance.value if task.chance else None
    styled = [*found, ("subject", task.after)]
    return dots.Line(task.name, task_said(task), figures, styled, change, apart=len(styled) > 1, mark=mark)


def shares(measures: Sequence[Measured]) -> dots.Plot | None:
    """Each measure on an axis from none to all."""
    lines = [
        dots.Line(
            capital(one.measure.name),
            one.measure.explained,
            measured_said(one),
            [("subject", one.at)],
            measured_ends(one),
        )
        for one in measures
    ]
    return dots.over(lines, WHOLE, part, []) if lines else None
