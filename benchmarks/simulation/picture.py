"""Backlog and workers over time, one strip for each policy, as one SVG drawn by hand."""

from collections.abc import Mapping, Sequence
from html import escape

from simulation.grid import Moment, Story

_WIDTH, _LEFT, _RIGHT, _TOP, _STRIP, _GAP = 920, 190, 24, 66, 96, 26
_SVG = "http://www.w3.org/2000/svg"
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2933 }
  .quiet { fill: #6b7785; font-size: 12px }
  .grid { stroke: #d9dee4 }
  .backlog { fill: #9db4d0; stroke: #4a78b0 }
  .workers { fill: none; stroke: #c2410c; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e8ec } .quiet { fill: #98a3af } .grid { stroke: #3a434d }
    .backlog { fill: #45617f; stroke: #6f9fd8 } .workers { stroke: #fb923c }
  }
"""


def draw(stories: Mapping[str, Story], title: str) -> str:
    """All strips have the same scales, so that they can be compared."""
    end = max(story.ended_s for story in stories.values())
    backlog = max(1, *(moment.backlog for story in stories.values() for moment in story.moments))
    workers = max(moment.workers for story in stories.values() for moment in story.moments)
    height = _TOP + len(stories) * (_STRIP + _GAP) + 12
    legend = f"area: messages that wait, up to {backlog:,} · line: workers, up to {workers} · {end / 60:,.0f} minutes"
    parts = [
        f'<svg xmlns="{_SVG}" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<text x="12" y="22" font-weight="600">{escape(title)}</text>',
        f'<text x="12" y="42" class="quiet">{escape(legend)}</text>',
    ]
    for number, (name, story) in enumerate(stories.items()):
        top = _TOP + number * (_STRIP + _GAP)
        parts += _strip(name, story, top, end, backlog, workers)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _strip(name: str, story: Story, top: float, end: float, backlog: int, workers: int) -> list[str]:
    floor = top + _STRIP
    moments = story.moments
    area = " ".join(f"{_x(moment.at_s, end)},{floor - _STRIP * moment.backlog / backlog:.1f}" for moment in moments)
    last = _x(moments[-1].at_s, end)
    return [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{floor}" y2="{floor}"/>',
        f'<polygon class="backlog" points="{_LEFT},{floor} {area} {last},{floor}"/>',
        f'<polyline class="workers" points="{_stairs(moments, end, floor, workers)}"/>',
        f'<text x="12" y="{top + 26}">{escape(name)}</text>',
        f'<text x="12" y="{top + 46}" class="quiet">wait p50 {story.wait(0.5):,.1f} s</text>',
        f'<text x="12" y="{top + 62}" class="quiet">p99 {story.wait(0.99):,.1f} s</text>',
        f'<text x="12" y="{top + 78}" class="quiet">{story.worker_seconds / 3600:,.2f} worker hours</text>',
    ]


def _stairs(moments: Sequence[Moment], end: float, floor: float, workers: int) -> str:
    height = _STRIP / (workers + 1)
    points, level = [], floor - height * moments[0].workers
    for moment in moments:
        x = _x(moment.at_s, end)
        points += [f"{x},{level:.1f}", f"{x},{(level := floor - height * moment.workers):.1f}"]
    return " ".join(points)


def _x(at_s: float, end: float) -> float:
    return round(_LEFT + at_s / end * (_WIDTH - _LEFT - _RIGHT), 1)
