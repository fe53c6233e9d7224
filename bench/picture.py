"""The picture: what a delivery costs, as bars.

SVG by hand: it is rectangles and words, and the libraries that draw them weigh more than all that the daemon needs.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

from bench.figures import figure
from bench.report import Result, amount

ROW, GAP, LEFT, WIDTH, RIGHT = 18, 26, 150, 520, 110
COLOURS = {"chat": "#2a7f62", "chat-json": "#6bb39b", "chat-irc": "#6bb39b", "limit": "#bbbbbb", "plain": "#999999"}
PEER = "#c0733d"


def length(value: float, least: float, most: float) -> float:
    """A bar's length on a logarithmic scale that begins at half of the least."""
    return WIDTH * log10(2 * value / least) / log10(2 * most / least)


def svg(results: Mapping[str, Result], keys: Sequence[str] = ("a", "b", "e", "c", "i")) -> str:
    """CPU time a delivery, by scenario and server. The scale is logarithmic: a third is as far everywhere."""
    groups = []
    for key in keys:
        runs = results[key].runs if key in results else {}
        bars = [(server, found.median) for (_, server), some in runs.items() if (found := figure(some, "cpu_us"))]
        if bars:
            groups.append((f"({key}) {results[key].scenario.title}", bars))
    values = [value for _, bars in groups for _, value in bars] or [1.0]
    shapes, y = [text(0, 14, "CPU µs a delivery (logarithmic; less is better)", "bold")], 24
    for title, bars in groups:
        y += GAP
        shapes.append(text(0, y, title, "bold"))
        for server, value in bars:
            bar = length(value, min(values), max(values))
            colour = COLOURS.get(server, PEER)
            shapes.append(f'<rect x="{LEFT}" y="{y + 6}" width="{bar:.1f}" height="{ROW - 4}" fill="{colour}"/>')
            shapes += [text(8, y + ROW, server), text(LEFT + bar + 6, y + ROW, amount(value))]
            y += ROW
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{y + GAP}"'
    style = "<style>text{font:12px sans-serif}.bold{font-weight:bold}</style>"
    background = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', style, background, *shapes, "</svg>"]) + "\n"


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'
