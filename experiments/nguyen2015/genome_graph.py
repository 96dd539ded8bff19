"""A CPPN as a graph: inputs on the left, outputs on the right, every neuron right of its sources.

Only what leads to an output is drawn; connections that join the same two neurons are one, as their
weights add up.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from experiments import lab
from jfool.encodings.cppn import FUNCTIONS, INPUTS, Genome
from jfool.encodings.cppn.genome import MAX_WEIGHT

Edges = dict[tuple[int, int], float]
Places = dict[int, tuple[float, float]]

HLS = ("hue", "lightness", "saturation")
_LOOKS = {
    "sine": ("sin", "#dbe7fb"),
    "sigmoid": ("sigm", "#fbe3d1"),
    "gaussian": ("gauss", "#d9f2e3"),
    "linear": ("lin", "#eeeeee"),
}
_MORE, _LESS, _INK = "#1f4e9c", "#b3441e", "#1a1a1a"


def edges(genome: Genome, num_outputs: int) -> Edges:
    """Weights by (source, target), of the connections on a way to an output."""
    there = np.flatnonzero(np.asarray(genome.connected))
    weights: Edges = {}
    for slot in there:
        ends = int(genome.source[slot]), int(genome.target[slot])
        weight = MAX_WEIGHT * (2 * float(genome.gene[slot]) - 1)
        weights[ends] = weights.get(ends, 0.0) + weight
    leading = set(range(len(INPUTS), len(INPUTS) + num_outputs))
    while more := {s for s, t in weights if t in leading} - leading:
        leading |= more
    return {(s, t): weight for (s, t), weight in weights.items() if t in leading}


def places(of: Edges, num_outputs: int) -> Places:
    """Where neurons lie: a column for each depth, which is the longest way from the inputs, the
    outputs in the last one; in a column from top to bottom, near to what leads to them."""
    first_hidden = len(INPUTS) + num_outputs
    nodes = {*range(first_hidden), *(node for ends in of for node in ends)}
    sources: dict[int, list[int]] = {node: [] for node in nodes}
    for source, target in of:
        sources[target].append(source)
    depth: dict[int, int] = {}

    def depth_of(node: int) -> int:
        if node not in depth:
            is_input = node < len(INPUTS)
            ways = (depth_of(source) + 1 for source in sources[node])
            depth[node] = 0 if is_input else max(ways, default=1)
        return depth[node]

    last = max(map(depth_of, nodes))
    outputs = range(len(INPUTS), first_hidden)
    last += any(depth[node] == last for node in nodes - set(outputs))
    depth |= dict.fromkeys(outputs, last)
    found: Places = {}
    for column in range(last + 1):
        members = [node for node in sorted(nodes) if depth[node] == column]
        if 0 < column < last:
            members.sort(key=lambda node: -np.mean([found[s][1] for s in sources[node]] or [0.5]))
        for i, node in enumerate(members):
            found[node] = (float(column), 1 - (i + 0.5) / len(members))
    return found


def draw_genome(path: Path, genome: Genome, outputs: Sequence[str], title: str) -> None:
    """Writes a PNG.

    Args:
      path: of the picture; replaced whole.
      genome: one, as NumPy arrays.
      outputs: what they mean.
      title: one line.
    """
    drawn = edges(genome, len(outputs))
    where = places(drawn, len(outputs))
    columns = [x for x, _ in where.values()]
    crowd = max(columns.count(x) for x in columns)
    figure = lab.new_figure(max(6.0, 1.15 * max(columns) + 2.4), max(3.2, 0.62 * crowd + 0.9))
    axes = figure.subplots()
    for (source, target), weight in sorted(drawn.items(), key=lambda edge: abs(edge[1])):
        _draw_edge(axes, where[source], where[target], weight)
    for node, (x, y) in where.items():
        is_input, function = node < len(INPUTS), FUNCTIONS[int(genome.function[node])]
        text, color = (INPUTS[node], "#ffffff") if is_input else _LOOKS[function]
        box = {"boxstyle": "round,pad=0.35", "fc": color, "ec": _INK, "lw": 0.8}
        axes.text(x, y, text, ha="center", va="center", fontsize=8, color=_INK, bbox=box, zorder=3)
    for node, label in enumerate(outputs, start=len(INPUTS)):
        beside = {"textcoords": "offset points", "xytext": (24, 0), "va": "center"}
        axes.annotate(label, where[node], fontsize=9, weight="bold", color=_INK, **beside)
    axes.set(xlim=(-0.6, max(columns) + 1.3), ylim=(-0.06, 1.06))
    axes.set_title(title, fontsize=10)
    axes.axis("off")
    for color, text in ((_MORE, "positive weight"), (_LESS, "negative weight")):
        axes.plot([], [], color=color, lw=1.8, label=f"{text}, the wider the larger")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    lab.save_figure(figure, path)


def _draw_edge(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], weight: float
) -> None:
    """Bent where it passes over a column, so that the neurons there do not hide it."""
    bend = 0.0 if end[0] - start[0] <= 1 else 0.12 if start[1] >= end[1] else -0.12
    share = min(abs(weight) / MAX_WEIGHT, 1.0)
    style = {
        "arrowstyle": "-|>",
        "mutation_scale": 7,
        "connectionstyle": f"arc3,rad={bend}",
        "shrinkA": 12,
        "shrinkB": 15,
        "lw": 0.4 + 2.2 * share,
        "color": _MORE if weight >= 0 else _LESS,
        "alpha": 0.35 + 0.6 * share,
    }
    axes.annotate("", end, start, arrowprops=style, zorder=1)
