"""One chart, drawn by hand: how long runs take, from the median to the unlucky, beside the physical limit."""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from instrument.report import microseconds
from instrument.rows import Row

_LEFT, _RIGHT, _TOP, _LINE = 330, 40, 64, 26
_WIDTH = 920
_SVG = "http://www.w3.org/2000/svg"
_LEGEND = "dot: p50 · thick: to p99 · thin: to p99.9 · bar: limit of the machine"
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2933 }
  .quiet { fill: #6b7785; font-size: 12px }
  .grid { stroke: #d9dee4; stroke-width: 1 }
  .tail { stroke: #9db4d0; stroke-width: 3 }
  .range { stroke: #4a78b0; stroke-width: 7; stroke-linecap: round }
  .median { fill: #17406d }
  .limit { stroke: #c2410c; stroke-width: 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e8ec } .quiet { fill: #98a3af } .grid { stroke: #3a434d }
    .tail { stroke: #45617f } .range { stroke: #6f9fd8 } .median { fill: #d5e5f8 } .limit { stroke: #fb923c }
  }
"""


def draw(rows: Sequence[Row], title: str) -> str:
    """An SVG with a line for each row that has latencies, on a logarithmic scale."""
    shown = [row for row in rows if "p50_us" in row.figures]
    if not shown:
        raise ValueError("no row has latencies, so that there is nothing to draw.")
    scale = _Scale(shown)
    height = _TOP + _LINE * len(shown) + 40
    parts = [
        f'<svg xmlns="{_SVG}" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<text x="12" y="22" font-weight="600">{escape(title)}</text>',
        f'<text x="12" y="42" class="quiet">{_LEGEND}</text>',
        *_grid(scale, height),
        *(part for number, row in enumerate(shown) for part in _line(scale, row, _TOP + _LINE * number + _LINE / 2)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """Microseconds to places, by powers of ten."""

    def __init__(self, rows: Sequence[Row]) -> None:
        values = [row.figures[name] for row in rows for name in ("p50_us", "p999_us") if row.figures.get(name)]
        values += [limit for row in rows if (limit := _latency_limit(row))]
        self.low = floor(log10(min(values)))
        self.high = max(self.low + 1, ceil(log10(max(values))))

    def x(self, value: float) -> float:
        share = (log10(max(value, 10**self.low)) - self.low) / (self.high - self.low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _grid(scale: _Scale, height: int) -> list[str]:
    parts = []
    for power in range(scale.low, scale.high + 1):
        x = scale.x(10**power)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{height - 30}"/>')
        parts.append(
            f'<text class="quiet" x="{x}" y="{height - 12}" text-anchor="middle">{microseconds(10**power)}</text>'
        )
    return parts


def _line(scale: _Scale, row: Row, y: float) -> list[str]:
    p50, p99 = row.figures["p50_us"], row.figures.get("p99_us", row.figures["p50_us"])
    p999, limit = row.figures.get("p999_us", p99), _latency_limit(row)
    label = f"{row.workload}  {row.title}"
    parts = [
        f'<text x="12" y="{y + 4}">{escape(label)}</text>',
        f'<line class="tail" x1="{scale.x(p50)}" x2="{scale.x(p999)}" y1="{y}" y2="{y}"/>',
        f'<line class="range" x1="{scale.x(p50)}" x2="{scale.x(p99)}" y1="{y}" y2="{y}"/>',
        f'<circle class="median" cx="{scale.x(p50)}" cy="{y}" r="5"><title>{microseconds(p50)}</title></circle>',
    ]
    if limit:
        x = scale.x(limit)
        parts.append(f'<line class="limit" x1="{x}" x2="{x}" y1="{y - 9}" y2="{y + 9}"/>')
    return parts


def _latency_limit(row: Row) -> float | None:
    return row.limit.value if row.limit and row.limit.figure.endswith("_us") else None
