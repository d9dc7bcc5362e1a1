"""What it costs a DAG file to import every operator, sensor, trigger and link of this package.

    python -m benchmarks.imports [--processes 10] [--short]

Each number is the median over fresh processes, and counts only what comes on top of `from airflow.sdk import DAG`.
The processes of the compared modules take turns, so that a busy machine is busy for all of them. "Compiled" is where
Python has kept the bytecode of all modules, as after a plain pip install; "uncompiled" is where it may not
(PYTHONDONTWRITEBYTECODE in an image built with --no-compile, a read-only file system): there every process compiles.
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks._local import ROOT, clean_environment
from benchmarks._report import Report, ratio, say

PACKAGE = "airflow_provider_amplifybackend"
PEERS = {name: [f"airflow.providers.amazon.aws.operators.{name}"] for name in ("athena", "neptune", "sns")}
EVERYTHING, FOR_DAGS = "all of amplifybackend", "its operators, sensors and links"
MODES = ("compiled", "uncompiled")
HEAVY = ("boto3", "botocore", "aiobotocore", "airflow.providers.amazon.aws.hooks.base_aws")

CHILD = """
import importlib, json, sys, time
from airflow.sdk import DAG
wall, cpu = time.perf_counter(), time.process_time()
for module in sys.argv[2:]:
    importlib.import_module(module)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
heavy = [name for name in json.loads(sys.argv[1]) if name in sys.modules]
print(json.dumps({"wall": wall, "cpu": cpu, "heavy": heavy}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=10, help="of each")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--short", action="store_true", help="three processes of each, compiled only, for CI")
    options = parser.parse_args()
    if options.short:
        options.processes, options.modes = 3, ["compiled"]
    mine = our_modules()
    sides = {
        EVERYTHING: mine,
        FOR_DAGS: [module for module in mine if ".triggers." not in module],
        **{f"amazon's {name}": module for name, module in PEERS.items()},
    }
    report = Report("imports", {"processes": options.processes, "modes": options.modes})
    report.more["modules"] = sides
    for mode in options.modes:
        compare(report, mode, sides, options.processes)
    report.write()


def compare(report: Report, mode: str, sides: dict[str, list[str]], processes: int) -> None:
    samples: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as home:
        for number in range(-1, processes):
            for name, modules in sides.items():
                sample = measure(Path(home), modules, mode)
                # The first round is not counted: it compiles, and brings the files into memory.
                samples[name] += [sample] if number >= 0 else []
            say(f"{mode}: round {number + 1} of {processes}")
    ours = median(samples[EVERYTHING])
    rows = []
    for name, found in samples.items():
        middle = median(found)
        times = ratio(middle["cpu"], ours["cpu"])
        heavy = ", ".join(found[0]["heavy"]) or "-"
        rows.append([name, len(sides[name]), middle["wall"], middle["cpu"], f"{times:.1f}x", heavy])
        report.rows.append({"mode": mode, "name": name, **middle, "samples": found})
    headers = ["import of", "modules", "wall ms", "CPU ms", "CPU against ours", "loads"]
    report.table(headers, rows, f"On top of `from airflow.sdk import DAG`, {mode}")
    # By CPU: an import does nothing but compute, and the wall clock also counts what else the machine does.
    times = min(median(samples[f"amazon's {name}"])["cpu"] for name in PEERS) / ours["cpu"]
    report.goal(f"{mode}: 1/14 of the cheapest of the amazon modules", times >= 14, f"1/{times:.1f}")
    report.goal(f"{mode}: at most 50 ms", ours["cpu"] <= 50, f"{ours['cpu']:.0f} ms")
    loaded = samples[EVERYTHING][0]["heavy"]
    report.goal(f"{mode}: loads neither boto3 nor the amazon hook", not loaded, ", ".join(loaded) or "none of them")


def our_modules() -> list[str]:
    """Everything that a DAG file may import, as it is found: a new module is measured without being listed here.

    What begins with an underscore is not for DAG files: it is measured where it is imported by what is, and some of it
    the triggerer loads with the first wait.
    """
    found = []
    for part in ("operators", "sensors", "triggers"):
        folder = Path(find_spec(f"{PACKAGE}.{part}").submodule_search_locations[0])  # type: ignore[union-attr,index]
        found += [
            f"{PACKAGE}.{part}.{module.name}"
            for module in pkgutil.iter_modules([str(folder)])
            if not module.name.startswith("_")
        ]
    return found + [f"{PACKAGE}.{name}" for name in ("links", "task_groups") if find_spec(f"{PACKAGE}.{name}")]


def measure(home: Path, modules: list[str], mode: str) -> dict[str, Any]:
    # What the developer's shell says about bytecode must not decide who is compiled again and again.
    environment = {name: value for name, value in clean_environment(home).items() if name != "PYTHONDONTWRITEBYTECODE"}
    if mode == "uncompiled":
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(home / "nothing")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(HEAVY), *modules],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{modules} cannot be imported:\n{done.stderr[-3000:]}")
    sample: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**sample, "wall": sample["wall"] * 1000, "cpu": sample["cpu"] * 1000}


def median(samples: list[dict[str, Any]]) -> dict[str, float]:
    return {key: statistics.median(sample[key] for sample in samples) for key in ("wall", "cpu")}


if __name__ == "__main__":
    main()
