"""Draws the table of the rules of a start into docs/architecture.md, from `start/rules.py`.

python scripts/architecture.py           # write
python scripts/architecture.py --check   # fail if the page is not as the code would have it
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the rules of this checkout, whichever is installed

from airflow_provider_amplifybackend.start.intent import State  # noqa: E402
from airflow_provider_amplifybackend.start.rules import TABLE, Rule  # noqa: E402
from airflow_provider_amplifybackend.start.situation import Order, Sight  # noqa: E402

PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rules: drawn by scripts/architecture.py -->", "<!-- end of rules -->"
TITLES = {
    Order.SAME: "A retry, or the same try after a deferral",
    Order.NEW: "After a clear, or with other parameters",
}


def rules() -> str:
    """Return the table in Markdown: one row for each state, one column for each thing that the service shows."""
    lines: list[str] = []
    for order in Order:
        lines += [f"**{TITLES[order]}**", ""]
        lines += [
            f"| the intent | {' | '.join(f'its job: {sight}' for sight in Sight)} |",
            "|---" * (len(Sight) + 1) + "|",
        ]
        lines += [f"| {state} | {' | '.join(said(TABLE[order][state][sight]) for sight in Sight)} |" for state in State]
        lines.append("")
    return "\n".join(lines)


def said(rule: Rule) -> str:
    """Return what a rule does: the first line of its docstring."""
    return (rule.__doc__ or "").strip().splitlines()[0].rstrip(".")


def page(text: str) -> str:
    """Return the page with the table as the code has it."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{rules()}\n{END}{rest.split(END)[1]}"


def main(arguments: list[str]) -> int:
    text = PAGE.read_text()
    wanted = page(text)
    if "--check" in arguments:
        if wanted != text:
            print(f"{PAGE.name} is not current: run python scripts/architecture.py")
        return int(wanted != text)
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
