"""The comparison as a picture: speed and memory of each way, every round a dot."""

from pathlib import Path
from typing import Any

from anadil import durable

PICTURE = "train.svg"
OURS, OTHERS, INK = "#6db3dd", "#b9b2a3", "#5c5a52"


def draw(result: dict[str, Any], out: Path) -> Path:
    """Write `out/train.svg` from what `compare` returned."""
    import matplotlib.style  # takes half a second
    from matplotlib.figure import Figure

    ways = result["ways"][::-1]
    names = [row["what"] for row in ways]
    colours = [OURS if row["way"] == "anadil" else OTHERS for row in ways]
    with matplotlib.style.context(["default", {"svg.fonttype": "none", "svg.hashsalt": "train", "font.size": 9}]):
        figure = Figure(figsize=(10, 0.9 + 0.42 * len(ways)), layout="constrained")
        speed, memory = figure.subplots(1, 2, sharey=True)
        speed.barh(names, [row["tokens_per_second"] for row in ways], color=colours, height=0.62)
        for place, row in enumerate(ways):
            rounds = row["tokens_per_second_by_round"]
            speed.plot(rounds, [place] * len(rounds), "o", color=INK, markersize=3)
        memory.barh(names, [row["peak_gib"] for row in ways], color=colours, height=0.62)
        _dress(speed, "tokens a second (more is better)", [f"{row['tokens_per_second']:,.0f}" for row in ways])
        _dress(memory, "peak memory, GiB (less is better)", [f"{row['peak_gib']:.2f}" for row in ways])
        with durable.new_file(out / PICTURE, "bench") as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})
    return out / PICTURE


def _dress(axes: Any, title: str, values: list[str]) -> None:
    """Title, the value inside the foot of each bar, and no frame."""
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.bar_label(axes.containers[0], labels=[f" {value}" for value in values], label_type="center", color="#111111")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    axes.xaxis.set_major_locator(_few())


def _few() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)
