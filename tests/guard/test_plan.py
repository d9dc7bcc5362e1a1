"""The plan of a deletion: what is read, what its digest depends on and what not, and what a difference says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.requests import drive
from airflow_provider_amplifybackend.guard import inventory
from airflow_provider_amplifybackend.guard.inventory import (
    IMPORTED,
    RETAIN,
    UNKNOWN,
    Gap,
    Inventory,
    Thing,
    read_environment,
    remembering,
)
from airflow_provider_amplifybackend.guard.plan import (
    Plan,
    PlanError,
    PlannedSign,
    Scope,
    difference,
    merged,
    read_plan,
)
from airflow_provider_amplifybackend.guard.plan_text import as_xcom, plan_text
from airflow_provider_amplifybackend.guard.signs import AMBIGUOUS, Ask, UnreadableError

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ROOT = "arn:aws:cloudformation:us-east-1:123456789012:stack/amplify-shop-dev-1/u1"
NESTED = "arn:aws:cloudformation:us-east-1:123456789012:stack/amplify-shop-dev-1-auth/u2"
META: dict[str, Any] = {"providers": {"awscloudformation": {"StackName": "amplify-shop-dev-1", "StackId": ROOT}}}

NAMES = st.text("abcdefgh-_0", min_size=1, max_size=8)
THINGS = st.builds(
    Thing,
    environment=st.sampled_from(["", "dev", "qa"]),
    type=st.sampled_from([inventory.STACK, inventory.BUCKET, inventory.TABLE, inventory.USER_POOL]),
    id=NAMES,
    stack=NAMES,
    logical_id=NAMES,
    stays=st.sampled_from(["", RETAIN, IMPORTED, UNKNOWN]),
    protected=st.sampled_from([False, True, None]),
)
PLANS = st.builds(
    Plan,
    scope=st.builds(Scope, app_id=NAMES, environment=st.none() | NAMES, clean_amplify_app=st.booleans(), region=NAMES),
    environments=st.lists(NAMES, unique=True, max_size=3).map(tuple),
    things=st.lists(THINGS, max_size=6, unique_by=lambda thing: (thing.environment, *thing.key)).map(tuple),
    unknown=st.lists(st.builds(Gap, NAMES, NAMES), max_size=3, unique_by=lambda gap: gap.what).map(tuple),
    signs=st.lists(
        st.builds(PlannedSign, NAMES, NAMES, NAMES, NAMES),
        max_size=3,
        unique_by=lambda sign: (sign.environment, sign.reason),
    ).map(tuple),
    counts=st.dictionaries(st.sampled_from(["users", "items"]), st.dictionaries(NAMES, st.integers(0, 9), max_size=2)),
)


# Of several tries


@given(PLANS, PLANS)
def test_merged_plans_of_one_scope_have_what_either_has_seen_and_can_be_stored(earlier: Plan, now: Plan) -> None:
    now = replace(now, scope=earlier.scope)
    both = merged(earlier, now)
    assert {thing.key for thing in both.things} == {thing.key for thing in (*earlier.things, *now.things)}
    assert set(now.things) <= set(both.things)
    assert {gap.what for gap in both.unknown} == {gap.what for gap in (*earlier.unknown, *now.unknown)}
    assert Plan.from_dict(both.to_dict()).digest == both.digest
    assert merged(both, now).digest == both.digest


def test_a_plan_for_another_environment_is_not_merged() -> None:
    one, other = (Plan(Scope("d1", name), (name,), (Thing(name, inventory.STACK, name),)) for name in ("one", "other"))
    assert merged(one, other) == other


# The digest


@given(PLANS, st.randoms(use_true_random=False))
def test_nothing_that_does_not_matter_changes_the_digest(plan: Plan, random: Any) -> None:
    def shuffled(members: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(random.sample(members, len(members)))

    other = replace(
        plan,
        environments=shuffled(plan.environments),
        things=shuffled(plan.things),
        unknown=tuple(replace(gap, why="a time-out") for gap in shuffled(plan.unknown)),
        signs=tuple(replace(sign, text="otherwise", way_out="elsewhere") for sign in shuffled(plan.signs)),
        counts={"users": {"somebody": 7}},
    )
    assert other.digest == plan.digest
    assert difference(plan, other) == []


@given(PLANS, PLANS)
def test_two_plans_have_one_digest_if_and_only_if_nothing_differs(plan: Plan, other: Plan) -> None:
    same = [
        plan.scope == other.scope,
        set(plan.environments) == set(other.environments),
        {(t.environment, t.type, t.id, t.stays, t.protected) for t in plan.things}
        == {(t.environment, t.type, t.id, t.stays, t.protected) for t in other.things},
        {gap.what for gap in plan.unknown} == {gap.what for gap in other.unknown},
        {(sign.environment, sign.reason) for sign in plan.signs}
        == {(sign.environment, sign.reason) for sign in other.signs},
    ]
    assert (plan.digest == other.digest) == all(same)


@given(PLANS, st.data())
def test_each_change_changes_the_digest_and_is_named(plan: Plan, data: st.DataObject) -> None:
    new = Thing("dev", inventory.ROLE, "a-role-that-is-new")
    changes = [replace(plan, things=(*plan.things, new)), replace(plan, unknown=(*plan.unknown, Gap("another", "x")))]
    for place, thing in enumerate(plan.things):
        others = plan.things[:place] + plan.things[place + 1 :]
        changes += [
            replace(plan, things=others),
            replace(plan, things=(*others, replace(thing, stays=RETAIN if thing.stays != RETAIN else ""))),
            replace(plan, things=(*others, replace(thing, protected=not thing.protected))),
        ]
    changed = data.draw(st.sampled_from(changes))
    assert changed.digest != plan.digest
    assert difference(plan, changed)
    assert len(difference(plan, changed)) <= 11


@given(PLANS)
def test_a_plan_survives_its_xcom_and_no_altered_one_does(plan: Plan) -> None:
    stored = json.loads(json.dumps(as_xcom(plan)))
    again = Plan.from_dict(stored)
    assert again.digest == plan.digest
    assert sorted(map(str, again.things)) == sorted(map(str, plan.things))
    stored["goes"] = [*stored["goes"], Thing("dev", inventory.TABLE, "one-more-table").to_dict()]
    with pytest.raises(PlanError, match="altered"):
        Plan.from_dict(stored)


@given(PLANS)
def test_a_plan_holds_no_none_for_a_store_that_takes_none(plan: Plan) -> None:
    def holds_none(value: Any) -> bool:
        if isinstance(value, dict):
            return any(map(holds_none, value.values()))
        return any(map(holds_none, value)) if isinstance(value, list) else value is None

    assert not holds_none(plan.to_dict())


def test_a_name_cannot_write_markdown() -> None:
    thing = Thing("dev", inventory.TABLE, "x` [click](https://evil.example) <b>\n# Nothing goes")
    text = plan_text(Plan(Scope("d1", "dev", region="us-east-1"), ("dev",), (thing,)))
    assert "\n# Nothing" not in text
    assert "<b>" not in text
    assert "`x´ [click]" in text


# What a terminal acts on: escapes (of one character, too), a bell, a return, and what turns the direction of writing.
ACTED_ON = "\x1b[2Jx\x9b31m\x07\r\u202e"


def test_nothing_in_the_text_of_a_plan_acts_on_a_terminal() -> None:
    things = (
        Thing("dev" + ACTED_ON, inventory.TABLE + ACTED_ON, "table" + ACTED_ON),
        Thing("dev", inventory.STACK, f"arn:aws:cloudformation:us-east-1:1:stack/{ACTED_ON}/1", stays=ACTED_ON),
    )
    text = plan_text(
        Plan(
            Scope("d1" + ACTED_ON, "dev" + ACTED_ON, region="us-east-1" + ACTED_ON),
            ("dev" + ACTED_ON,),
            things,
            unknown=(Gap("its jobs" + ACTED_ON, "no" + ACTED_ON),),
            signs=(PlannedSign("dev", "locked", "its stack" + ACTED_ON, "unlock it" + ACTED_ON),),
            counts={"items" + ACTED_ON: {things[0].id: 3}},
        )
    )
    assert all(line.isprintable() for line in text.split("\n"))


# What is read


def services(**given: Any) -> Callable[[Ask], Mapping[str, Any]]:
    """Services that know these answers by operation, or by operation and stack; text is an error, None "not found"."""

    def reply(ask: Ask) -> Mapping[str, Any]:
        subject = ask.request.get("StackName", "").rpartition("/")[2]
        found = given.get(f"{ask.operation}_{subject}", given.get(ask.operation, {}))
        if found is None or isinstance(found, str):
            raise UnreadableError(ask, found or "NotFound", is_missing=found in (None, AMBIGUOUS))
        answer: Mapping[str, Any] = found(ask) if callable(found) else found
        return answer

    return reply


def read(**given: Any) -> Inventory:
    found = Inventory()
    known = {"GetBackend": {"AmplifyMetaConfig": json.dumps(META)}, "GetTemplate": {"TemplateBody": {"Resources": {}}}}
    drive(read_environment("d1", "dev", found), services(**(known | given)), thrown_in=(UnreadableError,))
    return found


def resource(logical_id: str, type_: str, physical_id: str, **more: str) -> dict[str, str]:
    return {"LogicalResourceId": logical_id, "ResourceType": type_, "PhysicalResourceId": physical_id, **more}


def listed(*resources: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"StackResourceSummaries": list(resources), **more}


def template(**policies: str) -> dict[str, Any]:
    return {"TemplateBody": {"Resources": {name: {"DeletionPolicy": policy} for name, policy in policies.items()}}}


def by_id(found: Inventory) -> dict[str, Thing]:
    return {thing.id: thing for thing in found.things}


def test_what_a_template_retains_stays_and_so_does_everything_in_a_retained_stack() -> None:
    found = read(
        ListStackResources_u1=listed(
            resource("Bucket", inventory.BUCKET, "b1"), resource("authpeople", inventory.STACK, NESTED)
        ),
        ListStackResources_u2=listed(resource("UserPool", inventory.USER_POOL, "pool")),
        GetTemplate_u1=template(authpeople="RetainExceptOnCreate", Bucket="Delete"),
    )
    stays = {name: thing.stays for name, thing in by_id(found).items()}
    assert stays == {"dev": "", ROOT: "", "b1": "", NESTED: RETAIN, "pool": RETAIN}


@pytest.mark.parametrize("body", ["not JSON: {", "AccessDenied", {"Resources": []}])
def test_a_template_that_cannot_be_read_leaves_it_open_what_stays(body: Any) -> None:
    answer = body if body == "AccessDenied" else {"TemplateBody": body}
    found = read(ListStackResources=listed(resource("Bucket", inventory.BUCKET, "b1")), GetTemplate=answer)
    assert by_id(found)["b1"].stays == UNKNOWN
    assert "the deletion policies of stack amplify-shop-dev-1" in [gap.what for gap in found.gaps]


def test_what_is_already_deleted_or_never_was_made_is_not_planned() -> None:
    never = {"LogicalResourceId": "Never", "ResourceType": inventory.BUCKET}
    deleted = resource("Old", inventory.BUCKET, "b0", ResourceStatus="DELETE_COMPLETE")
    assert by_id(read(ListStackResources=listed(never, deleted))).keys() == {"dev", ROOT}


def test_all_pages_are_read_and_a_circle_of_them_ends() -> None:
    def page(ask: Ask) -> dict[str, Any]:
        token = ask.request.get("NextToken", "")
        following = {"": "1", "1": "2"}.get(token, "1")
        return listed(resource(f"B{token}", inventory.BUCKET, f"b{token}"), NextToken=following)

    assert {"b", "b1", "b2"} <= by_id(read(ListStackResources=page)).keys()


def test_stacks_that_nest_each_other_end() -> None:
    circle = listed(resource("a", inventory.STACK, NESTED), resource("b", inventory.STACK, ROOT))
    assert by_id(read(ListStackResources=circle)).keys() == {"dev", ROOT, NESTED}


def test_more_stacks_than_a_plan_reads_are_a_gap() -> None:
    many = listed(*(resource(f"s{n}", inventory.STACK, f"{NESTED}{n}") for n in range(inventory.MOST_STACKS + 5)))
    found = read(ListStackResources=lambda ask: many if ask.request["StackName"] == ROOT else {})
    assert "there are more than 200" in [gap.why for gap in found.gaps]


@pytest.mark.parametrize(
    ("answers", "hides"),
    [
        ({"GetBackend": "Denied"}, True),
        ({"GetBackend": {}, "GetBackendEnvironment": "Denied"}, True),
        ({"ListStackResources": "Denied"}, True),
        ({"DescribeParameters": "Denied"}, True),
        ({"ListStackResources": listed(resource("B", inventory.BUCKET, "b")), "GetTemplate": "Denied"}, False),
    ],
)
def test_a_gap_says_whether_there_may_be_things_behind_it(answers: dict[str, Any], hides: bool) -> None:
    found = read(**answers)
    assert any(gap.hides for gap in found.gaps) is hides
    plan = Plan(Scope("d1", "dev"), ("dev",), tuple(found.things), tuple(found.gaps))
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))).unknown == plan.unknown


def test_an_environment_that_does_not_exist_has_nothing() -> None:
    found = read(GetBackend=None)
    assert (found.things, found.gaps) == ([], [])


@pytest.mark.parametrize(
    ("known", "is_gone"),
    [({"backendEnvironment": {}}, False), ("AccessDenied", False), (None, True)],
)
def test_an_environment_is_gone_by_an_answer_with_two_meanings_only_if_aws_amplify_knows_none(
    known: Any, is_gone: bool
) -> None:
    found = read(GetBackend=AMBIGUOUS, GetBackendEnvironment=known)
    assert (found.things == []) is is_gone
    assert ("environment dev" in [gap.what for gap in found.gaps if gap.hides]) is not is_gone


@pytest.mark.parametrize(
    ("known", "is_gone"),
    [
        ({"backendEnvironments": [{"environmentName": "dev"}]}, False),
        ("AccessDenied", False),
        ({"backendEnvironments": []}, True),
        (None, True),
    ],
)
def test_an_app_has_no_environment_by_an_answer_with_two_meanings_only_if_aws_amplify_has_none(
    known: Any, is_gone: bool
) -> None:
    answers = services(GetBackend=AMBIGUOUS, ListBackendEnvironments=known)
    plan = drive(remembering(read_plan(Scope("d1"), NOW)), answers, thrown_in=(UnreadableError,))
    assert plan.environments == ()
    assert [gap.what for gap in plan.unknown if gap.hides] == ([] if is_gone else ["the environments of app d1"])


def test_equal_reads_are_made_once() -> None:
    asked: list[str] = []

    def reply(ask: Ask) -> Mapping[str, Any]:
        asked.append(ask.operation)
        return services(GetBackend={"AmplifyMetaConfig": json.dumps(META)}, ListStackResources="Denied")(ask)

    scope = Scope("d1", "dev", region="us-east-1")
    plan = drive(remembering(read_plan(scope, NOW)), reply, thrown_in=(UnreadableError,))
    assert plan.environments == ("dev",)
    assert sorted(asked) == sorted(set(asked))
    assert "GetBackend" in asked


@pytest.mark.parametrize(
    "altered", [{"goes": [{"id": "x"}]}, {"unknown": [{}]}, {"signs": [{}]}, {"environments": 5}, {"goes": [7]}]
)
def test_what_only_looks_like_a_plan_is_refused(altered: dict[str, Any]) -> None:
    plan = Plan(Scope("d1", "dev"), ("dev",)).to_dict()
    with pytest.raises(PlanError, match=r"[Pp]lan again"):
        Plan.from_dict(plan | altered)
