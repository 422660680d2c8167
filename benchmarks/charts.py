"""Line charts as small SVG files, each axis logarithmic or from zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 70, 210, 40, 50
COLOURS = ("#1b6ca8", "#555555", "#c8553d", "#588157", "#8e5aa8", "#b58900", "#2aa198", "#d33682")
LABEL_SPACE = 14


@dataclass(frozen=True)
class Curve:
    """Points (x, y) under a name; dashed for what reveals more, so that it is not taken for the same."""

    name: str
    points: list[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """A scale from values to places. ticks: (value, text)."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool

    def place(self, value: float) -> float:
        """Where a value stands."""
        low, high, at = (math.log10(each) if self.logarithmic else each for each in (self.low, self.high, value))
        return self.begin + (self.end - self.begin) * (at - low) / ((high - low) or 1)

    def ticks(self) -> list[tuple[float, str]]:
        """The decades, or about five round values, whole ones."""
        if self.logarithmic:
            decades = range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)
            return [(10.0**decade, f"{10.0**decade:,.10g}") for decade in decades]
        step = 10 ** max(0, math.floor(math.log10(self.high / 4)))
        step *= next(factor for factor in (1, 2, 5, 10) if self.high / (factor * step) <= 6)
        return [(step * number, f"{step * number:,.10g}") for number in range(int(self.high / step) + 1)]


def chart(
    title: str, across: str, upwards: str, curves: list[Curve], *, logarithmic: tuple[bool, bool] = (True, True)
) -> str:
    """An SVG of these curves. across, upwards: the axes' names. logarithmic: each axis."""
    curves = [Curve(curve.name, sorted(curve.points), curve.dashed) for curve in curves if curve.points]
    xs, ys = ([point[place] for curve in curves for point in curve.points] for place in (0, 1))
    x = _axis(xs, LEFT, WIDTH - RIGHT, logarithmic[0])
    y = _axis(ys, HEIGHT - BOTTOM, TOP, logarithmic[1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>',
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(upwards)}</text>",
        *_grid(x, y),
        *_lines(curves, x, y),
    ]
    return "\n".join([*parts, "</svg>", ""])


def _axis(values: list[float], begin: float, end: float, logarithmic: bool) -> Axis:
    """Whole decades around the values, or from zero to a little above them."""
    if not logarithmic:
        return Axis(0.0, 1.1 * max(values), begin, end, False)
    low, high = 10.0 ** math.floor(math.log10(min(values))), 10.0 ** math.ceil(math.log10(max(values)))
    return Axis(low, high, begin, end, True)


def _grid(x: Axis, y: Axis) -> list[str]:
    parts = []
    for value, text in x.ticks():
        at = x.place(value)
        parts.append(f'<path d="M{at:.1f} {y.begin:.1f}V{y.end:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{y.begin + 18:.1f}" text-anchor="middle">{text}</text>')
    for value, text in y.ticks():
        at = y.place(value)
        parts.append(f'<path d="M{x.begin:.1f} {at:.1f}H{x.end:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x.begin - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
    return parts


def _lines(curves: list[Curve], x: Axis, y: Axis) -> list[str]:
    """Curves, their points, and names at the right, moved apart where they would overlap."""
    parts, taken = [], -math.inf
    colours = {curve.name: COLOURS[number % len(COLOURS)] for number, curve in enumerate(curves)}
    for curve in sorted(curves, key=lambda curve: y.place(curve.points[-1][1])):
        colour, dash = colours[curve.name], ' stroke-dasharray="6 4"' if curve.dashed else ""
        places = [(x.place(across), y.place(upwards)) for across, upwards in curve.points]
        path = "L".join(f"{across:.1f} {upwards:.1f}" for across, upwards in places)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        parts += [f'<circle cx="{across:.1f}" cy="{upwards:.1f}" r="3" fill="{colour}"/>' for across, upwards in places]
        taken = max(taken + LABEL_SPACE, places[-1][1] + 4)
        parts.append(f'<text x="{x.end + 10:.1f}" y="{taken:.1f}" fill="{colour}">{escape(curve.name)}</text>')
    return parts
