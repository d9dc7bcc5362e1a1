"""Plots of an inventory: horizontal bars, as SVG, which needs no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend.fleet.markup import Markup, join, tag

# In the units of the drawing, which the page scales.
WIDTH, LABEL, NUMBER, ROW, BAR = 460, 150, 44, 22, 14
MOST_BARS = 12
# The upper bound of each group of ages, in days.
AGES = ((1, "under a day"), (7, "under a week"), (30, "under a month"), (90, "under 3 months"), (365, "under a year"))
OLDER = "a year or more"
UNKNOWN_AGE = "unknown"


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length, and the class that gives it a colour."""

    label: str
    value: int
    kind: str = "plain"


def plot(title: str, bars: Sequence[Bar]) -> Markup:
    """Return a plot of bars; each says its number, so that no axis is needed."""
    most = max((bar.value for bar in bars), default=0)
    height = max(1, len(bars)) * ROW + 4
    drawn = [_drawn(number, bar, most) for number, bar in enumerate(bars)]
    words = ", ".join(f"{bar.label}: {bar.value}" for bar in bars) or "nothing"
    picture = tag(
        "svg", tag("title", f"{title}. {words}"), *(drawn or [_text("nothing", 0, 16, "start")]),
        viewBox=f"0 0 {WIDTH} {height}", role="img", class_="plot",
    )  # fmt: skip
    return tag("figure", tag("figcaption", title), picture)


def _drawn(number: int, bar: Bar, most: int) -> Markup:
    top = number * ROW + 2
    room = WIDTH - LABEL - NUMBER
    length = max(1.0, room * bar.value / most) if bar.value else 0
    shape = tag(
        "rect", x=LABEL, y=top + (ROW - BAR) / 2, width=round(length, 1), height=BAR, rx=2, class_=f"bar {bar.kind}"
    )
    label = bar.label if len(bar.label) <= 22 else f"{bar.label[:21]}…"
    return tag(
        "g",
        tag("title", f"{bar.label}: {bar.value}"),
        _text(label, LABEL - 8, top + 15, "end"),
        shape,
        _text(str(bar.value), LABEL + length + 6, top + 15, "start"),
    )


def _text(text: str, x: float, y: float, anchor: str) -> Markup:
    return tag("text", text, x=round(x, 1), y=y, text_anchor=anchor)


def counts(rows: Iterable[Mapping[str, Any]], column: str, kinds: Mapping[str, str] | None = None) -> list[Bar]:
    """Return a bar for each value of a column, the most frequent first."""
    found = Counter(str(row[column]) for row in rows)
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    bars = [Bar(label, number, (kinds or {}).get(label, "plain")) for label, number in ordered[:MOST_BARS]]
    rest = sum(number for _, number in ordered[MOST_BARS:])
    return [*bars, Bar(f"{len(ordered) - MOST_BARS} others", rest)] if rest else bars


def ages(rows: Iterable[Mapping[str, Any]], column: str) -> list[Bar]:
    """Return a bar for each group of ages, the youngest first."""
    found = Counter(_age_group(row[column]) for row in rows)
    labels = [label for _, label in AGES] + [OLDER, *([UNKNOWN_AGE] if found[UNKNOWN_AGE] else [])]
    return [Bar(label, found[label]) for label in labels]


def _age_group(days: float | None) -> str:
    if days is None:
        return UNKNOWN_AGE
    return next((label for bound, label in AGES if days < bound), OLDER)


def grid(*plots: Markup) -> Markup:
    """Return the plots beside each other."""
    return tag("div", join(list(plots)), class_="plots")
