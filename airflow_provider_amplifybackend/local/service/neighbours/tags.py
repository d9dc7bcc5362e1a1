"""Tags of apps and branches: at most 50, of AWS' characters and lengths."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from airflow_provider_amplifybackend.local.service.errors import AnsweredError, bad_request
from airflow_provider_amplifybackend.local.service.hosting import Branch, Hosting
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation

MOST_TAGS = 50
LONGEST_KEY, LONGEST_VALUE = 128, 256

# The patterns of Amplify's model, of which Python's `re` does not know the one for values.
_KEY = re.compile(r"[a-zA-Z+-=._:/]+")
_VALUE_MARKS = frozenset("_.:/=+-@")
_ARN = re.compile(
    r"arn:aws:amplify:(?P<region>[^:]*):(?P<account>[^:]*):apps/(?P<app>[^/]+)(/branches/(?P<branch>.+))?"
)


def check(tags: Mapping[str, str]) -> None:
    """Check tags as a resource is to have them.

    :raises AnsweredError: There are too many, or one has other characters or more of them than AWS takes.
    """
    if len(tags) > MOST_TAGS:
        raise bad_request(f"A resource has at most {MOST_TAGS} tags, and this would be {len(tags)}")
    for key, value in tags.items():
        if not _KEY.fullmatch(key) or len(key) > LONGEST_KEY:
            raise bad_request(f"Tag keys have 1 to {LONGEST_KEY} letters, digits and +,-./:;<=_ : {key[:200]}")
        if key.lower().startswith("aws:"):
            raise bad_request(f"Tag keys that begin with aws: are AWS' own: {key}")
        if len(value) > LONGEST_VALUE or not all(map(_fits_value, value)):
            raise bad_request(f"The value of tag {key} may have {LONGEST_VALUE} letters, digits, spaces and _.:/=+-@")


def _fits_value(character: str) -> bool:
    return character in _VALUE_MARKS or unicodedata.category(character)[0] in "LNZ"


def tag(invocation: Invocation) -> Answer:
    tagged = _tagged(invocation)
    merged = {**tagged.tags, **invocation.parameters["tags"]}
    check(merged)
    _note(invocation, tagged)
    tagged.tags.update(merged)
    return {}


def untag(invocation: Invocation) -> Answer:
    tagged = _tagged(invocation)
    _note(invocation, tagged)
    for key in invocation.parameters["tagKeys"]:
        tagged.tags.pop(key, None)
    return {}


def list_tags(invocation: Invocation) -> Answer:
    """List tags; those of an app as they were `tag_lag_seconds` ago."""
    tagged = _tagged(invocation)
    if not isinstance(tagged, Hosting):
        return {"tags": dict(tagged.tags)}
    moment = invocation.clock.now() - invocation.settings.tag_lag_seconds
    return {"tags": tagged.shown_tags.shown(tagged.tags, moment)}


def _note(invocation: Invocation, tagged: Hosting | Branch) -> None:
    if isinstance(tagged, Hosting):
        tagged.shown_tags.changes(tagged.tags, invocation.clock.now())


def _tagged(invocation: Invocation) -> Hosting | Branch:
    """Return the app's hosting, or the branch, that an ARN names."""
    arn, store = invocation.parameters["resourceArn"], invocation.store
    found = _ARN.fullmatch(arn)
    if not arn.startswith("arn:aws:amplify:"):
        raise bad_request(f"resourceArn must be the ARN of an app or a branch, not {arn[:200]}")
    if found and (found["region"], found["account"]) == (store.region, store.account):
        app = store.apps.get(found["app"])
        if app is not None and found["branch"] is None:
            return app.hosting
        if app is not None and found["branch"] in app.hosting.branches:
            return app.hosting.branches[found["branch"]]
    message = f"Resource {arn[:200]} was not found"
    raise AnsweredError("ResourceNotFoundException", message, status=404)


HANDLERS: dict[str, Handler] = {
    "TagResource": tag,
    "UntagResource": untag,
    "ListTagsForResource": list_tags,
}
