"""`amplifybackend-local`: the local AmplifyBackend as a process of its own."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Sequence
from typing import Any

from airflow_provider_amplifybackend import __version__
from airflow_provider_amplifybackend.local import command
from airflow_provider_amplifybackend.local.no_proxy import no_proxy_variables

EXTRA_HINT = 'pip install "airflow-provider-amplifybackend[local]"'


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # Before the server starts, so that a signal during the start also ends it cleanly.
    signals = command.Signals()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: signals.put(received))
    try:
        from airflow_provider_amplifybackend.local.keeping.state_file import StateFileError
        from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend

        service = LocalAmplifyBackend(
            host=options.host,
            port=options.port,
            job_seconds=_job_seconds(options.job_seconds),
            with_moto=options.with_moto,
            strict_apps=options.strict_apps,
            apps=options.app,
            allow_hosts=options.allow_host,
            state=options.state,
        )
    except ModuleNotFoundError as missing:
        raise SystemExit(f"{missing.name} is missing; install what the local service needs: {EXTRA_HINT}") from None
    except (ImportError, ValueError) as refusal:
        raise SystemExit(str(refusal)) from None
    try:
        service.start()
    except StateFileError as refusal:
        raise SystemExit(str(refusal)) from None
    except OSError as refusal:
        raise SystemExit(_cannot_listen(options.host, options.port, refusal)) from None
    try:
        if options.command:
            # A proxy cannot reach this machine's loopback address.
            variables = service.endpoint_variables | no_proxy_variables(os.environ, service.endpoint_url)
            return command.run(options.command, variables, signals)
        print(service.endpoint_url, flush=True)
        signals.get()
    finally:
        try:
            service.stop()
        except StateFileError as refusal:
            raise SystemExit(str(refusal)) from None
    return 0


def _cannot_listen(host: str, port: int, refusal: OSError) -> str:
    from airflow_provider_amplifybackend.local.service.checks import host_without_userinfo

    return f"cannot listen on {host_without_userinfo(host)} port {port}: {refusal.strerror}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="amplifybackend-local",
        description="Run a local AmplifyBackend: print its endpoint URL on one line, then serve until stopped; "
        "or run a command against it.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument(
        "--job-seconds",
        action="append",
        default=[],
        metavar="S | OPERATION=S",
        help="duration of jobs in seconds, for all or for one operation; repeatable",
    )
    parser.add_argument("--with-moto", action="store_true", help="serve all other AWS services with moto")
    parser.add_argument("--strict-apps", action="store_true", help="accept only the apps given with --app")
    parser.add_argument("--app", action="append", default=[], metavar="ID", help="id of an existing app; repeatable")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name for callers, besides localhost and --host; repeatable",
    )
    parser.add_argument(
        "--state",
        metavar="FILE",
        help="keep everything in this file between two starts (secrets too: only its owner can read it)",
    )
    parser.add_argument(
        "command",
        nargs="*",
        metavar="-- COMMAND",
        help="run this with AWS_ENDPOINT_URL_AMPLIFYBACKEND, _AMPLIFY and _CLOUDFORMATION set, and end with it",
    )
    return parser


def _job_seconds(given: Sequence[str]) -> dict[str, float] | None:
    """Read `5` as all operations, `CloneBackend=10` as one; the later wins."""
    from airflow_provider_amplifybackend.local.service.settings import JOB_SECONDS

    seconds: dict[str, Any] = {}
    for text in given:
        operation, separator, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise SystemExit(f"--job-seconds {text}: {number!r} is not a number") from None
        seconds.update({operation: value} if separator else dict.fromkeys(JOB_SECONDS, value))
    return seconds or None
