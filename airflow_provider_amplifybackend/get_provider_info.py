"""The metadata of this provider for Airflow: ``airflow providers get airflow-provider-amplifybackend``."""

from __future__ import annotations

from typing import Any

from airflow_provider_amplifybackend import __version__

PACKAGE = "airflow_provider_amplifybackend"
INTEGRATION = "AWS AmplifyBackend"
OPERATOR_MODULES = (
    "environment",
    "auth",
    "api",
    "storage",
    "config",
    "token",
    "job",
    "plan",
    "lease",
    "inventory",
    "snapshot",
)


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description, in Airflow's form."""
    return {
        "package-name": "airflow-provider-amplifybackend",
        "name": "Amplify Backend",
        "description": (
            "AWS AmplifyBackend, the API behind Amplify Studio and Amplify Gen 1 backends: an operator for every "
            "operation, jobs that are started once, and waiting that costs nothing."
        ),
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": "https://docs.aws.amazon.com/amplify-admin-ui/latest/APIReference/",
                "tags": ["aws"],
            }
        ],
        "hooks": [_modules("hooks", "amplify_backend")],
        "operators": [_modules("operators", *OPERATOR_MODULES)],
        "sensors": [_modules("sensors", "job", "environment")],
        "triggers": [_modules("triggers", "job", "environment", "change", "lease")],
        "extra-links": [f"{PACKAGE}.links.AmplifyConsoleLink", f"{PACKAGE}.links.AmplifyStudioLink"],
        "notifications": [f"{PACKAGE}.notifications.owner.BackendOwnerNotifier"],
        # `airflow amplifybackend`, which Airflow takes from 3.2 on; before, there is `airflow-amplifybackend`.
        "cli": [f"{PACKAGE}.cli.definition.get_cli_commands"],
        "asset-uris": [
            {
                "schemes": ["amplifybackend"],
                "handler": f"{PACKAGE}.assets.sanitize_uri",
                "factory": f"{PACKAGE}.assets.create_asset",
                "to_openlineage_converter": f"{PACKAGE}.assets.convert_to_openlineage",
            }
        ],
        "config": {
            "amplifybackend": {
                "description": "Settings of airflow-provider-amplifybackend.",
                "options": {
                    "max_requests_per_second": {
                        "description": (
                            "Maximum requests per second that a triggerer process sends with one connection while it "
                            "waits."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "50",
                    },
                    "lean_status_checks": {
                        "description": (
                            "Whether the triggerer reads jobs with requests of its own, signed like botocore's, and "
                            "leaves to botocore what goes wrong. Without them a status check costs three times as "
                            "much. Connections with a proxy or a client certificate never use them."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "default": "True",
                        "example": None,
                    },
                    "guard": {
                        "description": (
                            "Whether signs of a Gen 2 migration, and termination protection, refuse operations that "
                            "delete or change an environment. auto: any sign that is found; require: a sign that "
                            "cannot be read, too; off: protected names only."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "require",
                        "default": "auto",
                    },
                    "protected": {
                        "description": (
                            "Environments that nothing may delete or change: a comma-separated list of ENV or APP/ENV, "
                            "with * and ?. The extra of an AWS connection can add to it, and nothing can take from it."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "production, d1abc/*, */main*",
                        "default": "",
                    },
                    "asset_events": {
                        "description": (
                            "Whether operators emit an asset event, amplifybackend://APP/ENVIRONMENT, when a job that "
                            "they have started has completed (Airflow 3.0 and later). The parameter of the same name "
                            "decides for one task."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                    "tag_lag": {
                        "description": (
                            "Seconds for which a tag of an Amplify app may be read as it was before it was set or "
                            "removed. The limit of living environments (max_concurrent of ephemeral_environment) waits "
                            "for it."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "5",
                    },
                    "snapshot_key": {
                        "description": (
                            "The key of the digests by which snapshots of environments tell whether a secret has "
                            "changed, at least 16 characters. Without one no digest is written."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "sensitive": True,
                        "example": None,
                        "default": "",
                    },
                    "inventory": {
                        "description": (
                            'The folder that a BackendInventoryOperator writes to, for the page "Amplify backends" '
                            "(Airflow 3.1 and later): an address that Airflow has a filesystem for. Unset, the page "
                            "shows what such a task has left as an XCom."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://reports/amplify/latest",
                        "default": "",
                    },
                    "live_page": {
                        "description": (
                            'Whether the page "Amplify backends" reads AWS itself, from the API server, at most once '
                            "in a minute."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "False",
                    },
                    "live_page_connection": {
                        "description": "The connection through which the page reads AWS if live_page is set.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": None,
                        "default": "aws_default",
                    },
                    "start_patience": {
                        "description": (
                            "Seconds to check for the job of a start whose answer was lost, before the start is sent "
                            "again. They cover the time in which the service may still act on the "
                            "request, and a job list that lags behind."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "60",
                    },
                },
            }
        },
    }


def _modules(kind: str, *names: str) -> dict[str, Any]:
    return {"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.{kind}.{name}" for name in names]}
