"""Labels beside the points of a plot."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from skfashion._utils.types import AnyArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

_Segment: TypeAlias = tuple[AnyArray, AnyArray]

_FONT_SIZE = 8  # points
_RADIUS = 5  # points around a point that labels leave free
_PADDING = 1.5  # points around a label
_DISTANCES = (7, 14, 22, 32, 44, 58, 74, 92)  # points between a point and its label
# Right and left first, then above and below, then in between.
_ANGLES = (0, 180, 90, 270, 45, 135, 225, 315, 22, 158, 202, 338, 67, 113, 247, 293)


class _Place(NamedTuple):
    """A place for a label, in pixels."""

    box: Bbox
    leader: _Segment  # from the point to the box
    near: bool  # so near that the leader line is not drawn
    alignment: tuple[float, float]  # where in the box the leader ends, from (0, 0) to (1, 1)


def write_labels(
    ax: Axes, x: FloatArray, y: FloatArray, labels: Sequence[str], line: FloatArray
) -> None:
    """Write a label beside each point, with a leader line to it if the label is not next to it.

    A label is inside the Axes and covers no point, no other label and no line. If no such place is
    near, it gets the one with the fewest overlaps.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes with their final limits.
    x, y : ndarray of shape (n,)
        The points.
    labels : list of str
    line : ndarray of shape (n_vertices, 2)
        Vertices of a line that labels do not cover.
    """
    from matplotlib.transforms import Bbox

    figure = ax.figure.figure
    figure.draw_without_rendering()  # compute the layout, which moves the Axes
    scale = figure.dpi / 72  # pixels in a point
    points = ax.transData.transform(np.column_stack([x, y]))
    disks = [Bbox([point - _RADIUS * scale, point + _RADIUS * scale]) for point in points]
    vertices = ax.transData.transform(line)
    on_line = [_sample(start, end) for start, end in itertools.pairwise(vertices)]
    on_lines = np.concatenate([vertices, *on_line])
    placed: list[_Place] = []
    for number, (label, point) in enumerate(zip(labels, points, strict=True)):
        others = disks[:number] + disks[number + 1 :]
        size = _measure(ax, label)
        fewest = math.inf
        for place in _list_places(point, size, scale):
            n_overlaps = _count_overlaps(place, ax.bbox, others, on_lines, placed)
            if n_overlaps < fewest:
                fewest, best = n_overlaps, place
            if not n_overlaps:
                break
        placed.append(best)
        if not best.near:
            on_lines = np.concatenate([on_lines, _sample(*best.leader)])
        offset = (best.leader[1] - best.leader[0]) / scale
        leader_style: dict[str, Any] = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.7}
        leader_style |= {"relpos": best.alignment, "shrinkA": 0, "shrinkB": 3}
        ax.annotate(
            label,
            (x[number], y[number]),
            (offset[0], offset[1]),
            textcoords="offset points",
            ha=("left", "center", "right")[int(2 * best.alignment[0])],
            va=("bottom", "center", "top")[int(2 * best.alignment[1])],
            fontsize=_FONT_SIZE,
            parse_math=False,  # a name may contain a dollar sign
            arrowprops=None if best.near else leader_style,
        )


def _measure(ax: Axes, label: str) -> AnyArray:
    """Return width and height of a label in pixels."""
    text = ax.text(0, 0, label, fontsize=_FONT_SIZE, parse_math=False)
    box = text.get_window_extent()
    text.remove()
    return np.array([box.width, box.height])


def _list_places(point: AnyArray, size: AnyArray, scale: float) -> Iterator[_Place]:
    """Yield the places around a point, the nearest first."""
    from matplotlib.transforms import Bbox

    for distance, angle in itertools.product(_DISTANCES, np.radians(_ANGLES)):
        direction = np.array([np.cos(angle), np.sin(angle)])
        # The side of the box that faces the point: 0 is left or bottom, 1 is right or top.
        beside = abs(direction[0]) > 0.3
        alignment = (float(direction[0] < 0), 0.5) if beside else (0.5, float(direction[1] < 0))
        end = point + distance * scale * direction
        corner = end - size * alignment
        near = distance == _DISTANCES[0]
        box = Bbox([corner, corner + size]).padded(_PADDING * scale)
        yield _Place(box, (point, end), near, alignment)


def _sample(start: AnyArray, end: AnyArray) -> AnyArray:
    """Return points on a segment, two pixels apart."""
    n_points = 2 + int(np.hypot(*(end - start)) / 2)
    return np.linspace(start, end, n_points)


def _count_overlaps(
    place: _Place,
    frame: Bbox,
    points: Sequence[Bbox],
    on_lines: AnyArray,
    placed: Sequence[_Place],
) -> int:
    """Count what a label and its leader line cover or cross."""
    from matplotlib.path import Path

    box, boxes = place.box, [other.box for other in placed]
    outside = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
    # A label without a leader line must not be next to another point.
    margin = 1.5 if place.near else 1.0
    count = outside + box.count_overlaps(boxes)
    count += box.count_overlaps([point.expanded(margin, margin) for point in points])
    count += box.count_contains(on_lines) > 0
    if not place.near:
        on_leader = _sample(*place.leader)
        count += sum(other.count_contains(on_leader) > 0 for other in [*boxes, *points])
        leaders = [Path(other.leader) for other in placed if not other.near]
        count += sum(Path(place.leader).intersects_path(leader) for leader in leaders)
    return count
