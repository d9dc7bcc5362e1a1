"use strict";
// Everything that the service says is text: elements are made here, and nothing is parsed as HTML.
const POLL_MILLISECONDS = 1000;
const MOST_ROWS = 300;
const OVERVIEW = "/_amplifybackend/overview";

const place = (id) => document.getElementById(id);

function cell(content, kind = "") {
  const made = document.createElement("td");
  if (kind) made.className = kind;
  if (content instanceof Node) made.append(content);
  else made.textContent = content === null || content === undefined ? "" : String(content);
  return made;
}

function row(...cells) {
  const made = document.createElement("tr");
  made.append(...cells);
  return made;
}

function whole(text, columns) {
  const made = cell(text, "faint");
  made.colSpan = columns;
  return row(made);
}

function clock(seconds) {
  const moment = new Date(seconds * 1000);
  return Number.isNaN(moment.getTime()) ? "" : moment.toLocaleTimeString([], { hour12: false });
}

function day(seconds) {
  const moment = new Date(seconds * 1000);
  return Number.isNaN(moment.getTime()) ? "" : moment.toLocaleString([], { hour12: false });
}

function duration(seconds) {
  const left = Math.max(0, Math.round(seconds));
  return left < 120 ? `${left} s` : `${Math.floor(left / 60)} min ${left % 60} s`;
}

const KINDS = { COMPLETED: "good", FAILED: "bad" };

function progress(job, now) {
  if (job.finished) return cell(`took ${duration(job.updated - job.created)}`, "faint whole");
  if (job.ends === null) return cell(`never ends; for ${duration(now - job.created)}`, "faint whole");
  const bar = document.createElement("progress");
  bar.max = Math.max(job.ends - job.created, 0.001);
  bar.value = Math.min(Math.max(now - job.created, 0), bar.max);
  bar.title = `${duration(job.ends - now)} left`;
  bar.setAttribute("aria-label", `${job.operation}: ${bar.title}`);
  return cell(bar);
}

function jobRow(job, now) {
  const status = job.error ? `${job.status}: ${job.error}` : job.status;
  return row(
    cell(job.app_id), cell(job.environment), cell(job.operation), cell(status, KINDS[job.status] || "busy"),
    progress(job, now), cell(clock(job.created), "whole"), cell(job.job_id, "code"),
  );
}

function appRows(app) {
  const where = `${app.account}, ${app.region}`;
  const tags = Object.entries(app.tags).map(([name, value]) => `${name}=${value}`).join("  ");
  const label = app.name === app.app_id ? app.app_id : `${app.app_id} (${app.name})`;
  const rows = app.environments.map((one) => row(
    cell(label), cell(one.name), cell(one.auth.join(", ")), cell(one.api.join(", ")), cell(one.storage.join(", ")),
    cell(one.signs.join(", "), "busy"), cell(day(one.created), "whole"), cell(where, "faint whole"),
  ));
  if (!rows.length) rows.push(row(cell(label), cell("no environments", "faint"), cell(""), cell(""), cell(""), cell(""), cell(""), cell(where, "faint whole")));
  if (app.more_environments) rows.push(whole(`and ${app.more_environments} more environments of ${app.app_id}`, 8));
  if (tags) rows.push(whole(`tags of ${app.app_id}: ${tags}`, 8));
  return rows;
}

function journalRow(entry) {
  const answer = entry.status_code === 0 ? "connection reset" : [entry.status_code, entry.error_code].filter(Boolean).join(" ");
  const kind = entry.status_code === 0 || entry.status_code >= 400 ? "bad" : "good";
  return row(
    cell(entry.seq, "faint"), cell(clock(entry.time), "whole"), cell(entry.service), cell(entry.operation || "unknown"),
    cell(entry.app_id), cell(entry.environments.join(" → ")), cell(answer, kind), cell(entry.faults.join(", "), "busy"),
    cell(entry.job_id, "code"),
  );
}

function faultRow(fault) {
  const used = fault.times === null ? `${fault.used} so far` : `${fault.used} of ${fault.times} times`;
  return row(cell(fault.fault_id), cell(fault.kind), cell(fault.operation), cell(fault.app_id), cell(fault.environment), cell(used));
}

function replace(id, rows, empty, columns) {
  place(id).replaceChildren(...(rows.length ? rows : [whole(empty, columns)]));
}

let seen = { run: "", last: 0 };

function showJournal(journal, run) {
  const body = place("journal");
  if (run !== seen.run || journal.last < seen.last) body.replaceChildren();
  body.querySelector("td.faint[colspan]")?.parentElement.remove();
  for (const entry of journal.entries) body.prepend(journalRow(entry));
  while (body.children.length > MOST_ROWS) body.lastElementChild.remove();
  if (!body.children.length) body.append(whole("No request yet.", 9));
  seen = { run, last: journal.last };
  const dropped = journal.dropped ? `, ${journal.dropped} forgotten` : "";
  const requests = journal.count === 1 ? "1 request" : `${journal.count} requests`;
  place("journal-count").textContent = `${requests}${dropped}; the newest first`;
}

function show(found) {
  const rows = found.jobs.shown.map((job) => jobRow(job, found.time));
  if (found.jobs.more) rows.push(whole(`and ${found.jobs.more} more`, 7));
  replace("jobs", rows, "No job yet.", 7);
  place("jobs-count").textContent = `${found.jobs.running} running, ${found.jobs.failed} failed, ${found.jobs.total} in all`;
  const apps = found.apps.flatMap(appRows);
  if (found.more_apps) apps.push(whole(`and ${found.more_apps} more apps`, 8));
  replace("apps", apps, "No app yet: CreateBackend makes one known, or a seed.", 8);
  const known = found.apps.length + found.more_apps;
  place("apps-count").textContent = known === 1 ? "1 app" : `${known} apps`;
  replace("faults", found.faults.map(faultRow), "None.", 6);
  place("faults-section").hidden = !found.faults.length;
  showJournal(found.journal, found.run);
  const frozen = found.frozen ? ", which stands still" : "";
  const skew = found.skew_seconds ? `, ${found.skew_seconds} s off` : "";
  const summary = place("summary");
  summary.className = "";
  summary.textContent = `${location.origin}, version ${found.version}. Its clock: ${day(found.time)}${frozen}${skew}.`;
}

async function poll() {
  if (!document.hidden) {
    try {
      const query = new URLSearchParams({ after: seen.last, run: seen.run });
      const answer = await fetch(`${OVERVIEW}?${query}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      show(await answer.json());
    } catch (error) {
      const summary = place("summary");
      summary.className = "lost";
      summary.textContent = `The service does not answer (${error.message}); trying again.`;
    }
  }
  setTimeout(poll, POLL_MILLISECONDS);
}

poll();
