"""Branches and their jobs: the builds and deployments of AWS Amplify Hosting, of Gen 2 backends too."""

from __future__ import annotations

from airflow_provider_amplifybackend.local.service.errors import already_exists, bad_request
from airflow_provider_amplifybackend.local.service.hosting import ENDED, Branch, BranchJob
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.neighbours import hosted, tags


def list_branches(invocation: Invocation) -> Answer:
    app = hosted.app(invocation)
    rows = (
        (name, hosted.shown_branch(invocation.store, app.app_id, branch))
        for name, branch in app.hosting.branches.items()
    )
    return hosted.listed(invocation, "branches", rows, largest=50)


def get_branch(invocation: Invocation) -> Answer:
    return _answer(invocation, hosted.branch(invocation))


def _answer(invocation: Invocation, branch: Branch) -> Answer:
    return {"branch": hosted.shown_branch(invocation.store, invocation.parameters["appId"], branch)}


def create_branch(invocation: Invocation) -> Answer:
    app, given, now = hosted.app(invocation), invocation.parameters, invocation.clock.wall()
    name = given["branchName"]
    if name in app.hosting.branches:
        raise already_exists(f"Branch {name} of app {app.app_id}")
    tags.check(given.get("tags", {}))
    settings = hosted.settings_of(given, "Branch")
    branch = Branch(name, created=now, updated=now, settings=settings, tags=dict(given.get("tags", {})))
    app.hosting.branches[name] = branch
    return _answer(invocation, branch)


def update_branch(invocation: Invocation) -> Answer:
    branch = hosted.branch(invocation)
    branch.settings |= hosted.settings_of(invocation.parameters, "Branch")
    branch.updated = invocation.clock.wall()
    return _answer(invocation, branch)


def delete_branch(invocation: Invocation) -> Answer:
    branch = hosted.branch(invocation)
    del hosted.app(invocation).hosting.branches[branch.name]
    return _answer(invocation, branch)


def list_jobs(invocation: Invocation) -> Answer:
    # Ids are numbers: as texts of one length they have one order.
    rows = ((f"{int(job.job_id):020}", _shown(invocation, job)) for job in hosted.branch(invocation).jobs.values())
    return hosted.listed(invocation, "jobSummaries", rows, largest=50)


def _shown(invocation: Invocation, job: BranchJob) -> Answer:
    given = invocation.parameters
    arn = hosted.branch_arn(invocation.store, given["appId"], given["branchName"])
    return hosted.shown_job(arn, job, invocation.clock)


def get_job(invocation: Invocation) -> Answer:
    return {"job": {"summary": _shown(invocation, hosted.job(invocation)), "steps": []}}


def start_job(invocation: Invocation) -> Answer:
    """Start a job that ends by the clock; a retry is the same job again."""
    branch, given = hosted.branch(invocation), invocation.parameters
    now = invocation.clock.now()
    if any(job.status(now) not in ENDED for job in branch.jobs.values()):
        raise bad_request(f"Branch {branch.name} has a job that has not ended yet")
    is_retry = given["jobType"] == "RETRY"
    job_id = hosted.job(invocation).job_id if is_retry else branch.next_job_id()
    fate = invocation.runtime.fate_of(invocation.operation, given)
    branch.jobs[job_id] = BranchJob(
        job_id,
        given["jobType"],
        started=now,
        ends=now + invocation.settings.branch_job_seconds if fate.ends else None,
        outcome="FAILED" if fate.fails else "SUCCEED",
        commit={name: given[name] for name in ("commitId", "commitMessage", "commitTime") if name in given},
    )
    return {"jobSummary": _shown(invocation, branch.jobs[job_id])}


def stop_job(invocation: Invocation) -> Answer:
    job, now = hosted.job(invocation), invocation.clock.now()
    if job.status(now) in ENDED:
        raise bad_request(f"Job {job.job_id} has ended already")
    job.stop(now)
    return {"jobSummary": _shown(invocation, job)}


HANDLERS: dict[str, Handler] = {
    "ListBranches": list_branches,
    "GetBranch": get_branch,
    "CreateBranch": create_branch,
    "UpdateBranch": update_branch,
    "DeleteBranch": delete_branch,
    "ListJobs": list_jobs,
    "GetJob": get_job,
    "StartJob": start_job,
    "StopJob": stop_job,
}
