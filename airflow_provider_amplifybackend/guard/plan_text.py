"""A plan as people read it: Markdown, for the task's log and for whoever approves it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_amplifybackend.core.encodable import printable
from airflow_provider_amplifybackend.guard.inventory import STACK, UNKNOWN, Thing
from airflow_provider_amplifybackend.guard.plan import Plan

# The first of each type that are named; the plan itself has all of them.
MOST_NAMED = 10


def as_xcom(plan: Plan) -> dict[str, Any]:
    """Return a plan as it goes into an XCom: its members, and the text."""
    return plan.to_dict() | {"text": plan_text(plan)}


def plan_text(plan: Plan) -> str:
    """Return a plan as Markdown: the headline first, then what goes, what stays, and what nobody can tell."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"# Deletion of {_plain(str(plan.scope))}"
    yield ""
    yield _headline(plan)
    yield f"Digest: `{plan.digest}`"
    if plan.signs:
        yield from ("", "## The guard refuses this", "")
        yield from (
            f"- **{sign.reason}**: {_plain(sign.text)}. To lift it: {_plain(sign.way_out)}" for sign in plan.signs
        )
    yield from _section("Goes", plan.goes, plan.counts)
    yield from _section("Stays", plan.stays, {})
    if plan.unknown:
        yield from ("", "## Cannot be read", "")
        yield from (f"- {_plain(gap.what)}: {_plain(gap.why)}" for gap in plan.unknown)


def _headline(plan: Plan) -> str:
    if not plan.environments:
        return "Nothing would be deleted: there is no such environment."
    numbers = [f"**{len(plan.goes)}** go", f"**{len(plan.stays)}** stay", f"**{len(plan.unknown)}** cannot be read"]
    total = {kind: sum(amounts.values()) for kind, amounts in plan.counts.items()}
    numbers += [f"about **{number:,}** {_plain(kind)} would be lost" for kind, number in sorted(total.items())]
    return f"Environments: {', '.join(map(_code, plan.environments))}. {'; '.join(numbers)}."


def _section(title: str, things: Iterable[Thing], counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    by_type: dict[tuple[str, str], list[Thing]] = {}
    for thing in things:
        by_type.setdefault((thing.environment, thing.type), []).append(thing)
    if by_type:
        yield from ("", f"## {title}", "")
    for (environment, type_), some in sorted(by_type.items()):
        shown = ", ".join(_named(thing, counts) for thing in some[:MOST_NAMED])
        more = f", and {len(some) - MOST_NAMED} more" if len(some) > MOST_NAMED else ""
        where = f"{_code(environment)}, " if environment else ""
        yield f"- {where}{_plain(type_)}: {shown}{more}"


def _named(thing: Thing, counts: Mapping[str, Mapping[str, int]]) -> str:
    notes = [f"{numbers[thing.id]:,} {_plain(kind)}" for kind, numbers in counts.items() if thing.id in numbers]
    if thing.stays:
        notes.append("it cannot be read whether it stays" if thing.stays == UNKNOWN else _plain(thing.stays))
    if thing.protected:
        notes.append("deletion protection is on: the job will fail")
    name = thing.id.split("/")[1] if thing.type == STACK and thing.id.startswith("arn:") else thing.id
    return _code(name) + (f" ({'; '.join(notes)})" if notes else "")


def _code(text: str) -> str:
    """Return a name that Markdown cannot take for anything else."""
    return f"`{_plain(text).replace('`', '´')}`"


def _plain(text: str) -> str:
    """Return a text of one line, without what a terminal would act on, or a page take for a link or for HTML."""
    return printable(text).replace("<", "‹").replace(">", "›")
