"""The verdict of AWS' own assessment on each resource of an environment: can it be migrated to Gen 2?

A table of our own, after what ``amplify gen2-migration assess`` decides, which reads the same document. It is not run,
and neither are the parts of it that need a checkout: overrides, custom policies, the runtime of a function, conflict
resolution. What cannot be read here is said in the note. Renew the table when the tool changes, and its date with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_amplifybackend.core.meta_config import parse_document

READ_ON = "2026-11-29"
SOURCES = (
    # gen1-app.ts (what is known at all), assess.ts and assess/*/*.assessor.ts (the verdicts), docs of `assess`.
    "https://github.com/aws-amplify/amplify-cli, packages/amplify-cli/src/commands/gen2-migration, commit 1278cec",
    # What the Feature Parity page adds: identity providers of a user pool, kinds of authorization of an API.
    "https://github.com/aws-amplify/docs, migrate-to-gen2/feature-matrix/index.mdx, commit 1212c66",
)


class Support(StrEnum):
    """The support of one step of the migration for a resource."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Verdict:
    """The verdict on a resource: on code that is generated for it, and on its move into the new stacks."""

    generate: Support
    refactor: Support
    note: str = ""

    @property
    def is_ready(self) -> bool:
        """Tell whether both steps take it."""
        return Support.UNSUPPORTED not in (self.generate, self.refactor)


_YES, _NO, _NA = Support.SUPPORTED, Support.UNSUPPORTED, Support.NOT_APPLICABLE
# By category and service, as AmplifyMetaConfig has them.
TABLE: dict[tuple[str, str], Verdict] = {
    ("auth", "Cognito"): Verdict(_YES, _YES),
    ("auth", "Cognito-UserPool-Groups"): Verdict(_YES, _YES),
    ("storage", "S3"): Verdict(_YES, _YES),
    ("storage", "DynamoDB"): Verdict(_YES, _YES),
    ("api", "AppSync"): Verdict(_YES, _NA, "unless it has conflict resolution (DataStore), which is not read here"),
    ("api", "API Gateway"): Verdict(_YES, _NA),
    ("analytics", "Kinesis"): Verdict(_YES, _YES),
    ("function", "Lambda"): Verdict(_YES, _NA, "Node.js only; its runtime is not read here"),
    ("geo", "Map"): Verdict(_YES, _YES),
    ("geo", "PlaceIndex"): Verdict(_YES, _YES),
    ("geo", "GeofenceCollection"): Verdict(_YES, _NO, "its geofences are to be moved by hand"),
    ("custom", "customCDK"): Verdict(_YES, _YES),
}
UNKNOWN_RESOURCE = Verdict(_NO, _NO, "unknown resource type")
NO_SERVICE = Verdict(_NO, _NO, "names no service, at which `assess` stops")
IMPORTED_BUCKET = Verdict(_NO, _NO, "imported")
OLD_TRANSFORMER = Verdict(_NO, _NA, "GraphQL transformer version 1")
# The tool passes over these.
NOT_ASSESSED = frozenset({"providers", "hosting"})
# By the names that the Amplify CLI gives them; Facebook and Google are generated and not moved.
_UNSUPPORTED_PROVIDERS = {
    "AMAZON": "Login with Amazon",
    "LOGINWITHAMAZON": "Login with Amazon",
    "APPLE": "Sign in with Apple",
    "SIGNINWITHAPPLE": "Sign in with Apple",
}
_GENERATED_PROVIDERS = {"FACEBOOK": "Facebook", "GOOGLE": "Google"}
_UNSUPPORTED_MODES = {"OPENID_CONNECT": "OpenID Connect", "AWS_LAMBDA": "a Lambda authorizer"}


def assess(category: str, resource: Mapping[str, Any], flags: Any = None) -> Verdict:
    """Return the verdict on a resource.

    :param resource: Its entry in AmplifyMetaConfig.
    :param flags: AmplifyFeatureFlags, which has the version of the GraphQL transformer.
    """
    service = resource.get("service")
    if not isinstance(service, str) or not service:
        return NO_SERVICE
    known = TABLE.get((category, service), UNKNOWN_RESOURCE)
    if (category, service) == ("storage", "S3") and resource.get("serviceType") == "imported":
        return IMPORTED_BUCKET
    if (category, service) == ("api", "AppSync") and transformer_version(flags) == 1:
        return OLD_TRANSFORMER
    notes = [*filter(None, [known.note]), *_by_hand(category, resource)]
    return Verdict(known.generate, known.refactor, "; ".join(notes))


def _by_hand(category: str, resource: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the Feature Parity page leaves to a person, although the resource as a whole is supported."""
    if category == "auth":
        configured = resource.get("frontendAuthConfig")
        given = configured.get("socialProviders") if isinstance(configured, Mapping) else None
        providers = {str(name).upper().replace("_", "") for name in given} if isinstance(given, list) else set()
        for names, what in ((_GENERATED_PROVIDERS, "is not moved"), (_UNSUPPORTED_PROVIDERS, "is to be set by hand")):
            yield from (f"{shown} {what}" for name, shown in names.items() if name in providers)
    if category == "api":
        for mode in sorted(_modes(resource) & _UNSUPPORTED_MODES.keys()):
            yield f"authorization with {_UNSUPPORTED_MODES[mode]} is to be set by hand"


def _modes(resource: Mapping[str, Any]) -> set[str]:
    output = resource.get("output")
    config = output.get("authConfig") if isinstance(output, Mapping) else None
    if not isinstance(config, Mapping):
        return set()
    more = config.get("additionalAuthenticationProviders")
    entries = [config.get("defaultAuthentication"), *(more if isinstance(more, list) else ())]
    return {str(entry.get("authenticationType")) for entry in entries if isinstance(entry, Mapping)}


def transformer_version(flags: Any) -> int | None:
    """Return the version of the GraphQL transformer of a project; None where its flags do not say."""
    document = parse_document(flags)
    for name in ("features", "graphqltransformer"):
        document = document.get(name) if isinstance(document, Mapping) else None
    version = document.get("transformerversion") if isinstance(document, Mapping) else None
    return version if isinstance(version, int) and not isinstance(version, bool) else None


class Readiness(StrEnum):
    """The verdict on an environment as a whole."""

    READY = "ready"
    # The tool has to be told to pass over something.
    BY_HAND = "partly by hand"
    NOTHING = "nothing to migrate"
    UNKNOWN = "unknown"


def readiness(verdicts: Iterable[Verdict]) -> Readiness:
    """Return the verdict on all of an environment's resources."""
    known = list(verdicts)
    if not known:
        return Readiness.NOTHING
    return Readiness.READY if all(verdict.is_ready for verdict in known) else Readiness.BY_HAND
