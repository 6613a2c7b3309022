// Jobs: the list, and one of them with what it does now.
import { h, place, refresh, say, number, numbers, usd, when, span, table, pages, chip, heading, skeleton, empty, failure } from "/page/ui.js";
import { ask, change, query, key, download } from "/page/api.js";
import { follow, followJob } from "/page/live.js";
import { once } from "/page/focus.js";

const kinds = { running: "", completed: "soft", failed: "bad", cancelled: "soft", terminated: "bad", timed_out: "bad" };
export const state = (job) => chip(job.state.replace("_", " "), kinds[job.state] ?? "soft");
const path = (id) => "/jobs/" + encodeURIComponent(id);
const link = (id) => "#/jobs/" + encodeURIComponent(id);

const most = 50; // rows of a page
const cursors = new Map(); // of the pages that this tab has seen, by state and first row: a cursor leads forward only

const at = (state, from) => "#/jobs" + query({ state, cursor: from > 0 ? cursors.get(state + from) : "", from: from > 0 ? from : "" });

export async function list(main, route) {
  main.dataset.view = "jobs";
  const only = route.query.get("state") ?? "";
  const cursor = route.query.get("cursor");
  const from = cursor ? Math.max(0, Number.parseInt(route.query.get("from"), 10) || 0) : 0;
  if (cursor) cursors.set(only + from, cursor);
  const choose = h("select", { id: "state", change: (e) => { location.hash = "#/jobs" + query({ state: e.target.value }); } },
    [["", "all"], ["running", "running"], ["completed", "completed"], ["failed", "failed"], ["cancelled", "cancelled"]].map(([value, text]) => h("option", { value, selected: value === only }, text)));
  const box = h("div", {}, skeleton("rows", 6));
  place(main, heading("Jobs", "Ingests, training runs and optimizations, live.", h("label", { class: "choice" }, "Show", choose)), box);
  await follow("/jobs" + query({ state: only, limit: most, cursor }), 5, route.signal, (found) => show(box, found, only, cursor, from));
}

function show(box, found, only, cursor, from) {
  if (found.jobs.length === 0) {
    place(box, empty(only ? "No job is " + only + "." : cursor ? "There are no more jobs." : "No job was started yet.", only || cursor ? null : "cogflow ingest ~/Videos"),
    cursor && h("p", { class: "pages" }, h("a", { href: at(only, 0) }, "← First page")));
    return;
  }
  if (found.next_cursor) cursors.set(only + (from + most), found.next_cursor);
  const before = cursor && (from === most || cursors.has(only + (from - most)) ? at(only, from - most) : at(only, 0));
  refresh(box, table("Jobs", [
    { name: "Job", head: true, of: (j) => [h("a", { href: link(j.id), dir: "auto" }, j.name || j.id), h("span", { class: "quiet under" }, j.type + (j.dry_run ? ", dry run" : ""))] },
    { name: "State", of: (j) => [state(j), j.state === "running" && j.stage ? h("span", { class: "quiet" }, " " + j.stage) : ""] },
    { name: "Failed items", right: true, of: (j) => number(j.failed) },
    { name: "Cost (USD)", right: true, of: (j) => usd(j.cost_usd) },
    { name: "Time", right: true, of: (j) => span((new Date(j.closed ?? Date.now()) - new Date(j.started)) / 1000) },
    { name: "Started", of: (j) => when(j.started) },
  ], found.jobs),
  pages(from, found.jobs.length, "job", before, found.next_cursor && at(only, from + most)));
}

// one follows a job until its end.
export async function one(main, route) {
  main.dataset.view = "job";
  const id = route.parts[1];
  place(main, skeleton("rows", 5));
  const view = page(main, id);
  view.show(await ask(path(id), { signal: route.signal, cache: "no-store" }));
  await view.end(await followJob(path(id) + "/events", route.signal, (job) => view.show(job, true), view.cut, view.attached), route.signal);
}

function page(main, id) {
  const parts = { title: h("div"), bar: h("div"), live: h("p", { class: "quiet" }), facts: h("div"), steps: h("div"), actions: h("div", { class: "actions" }) };
  const problem = h("div");
  let shown = null;
  let result = null; // of a job that has completed
  const tell = (job, live) => place(parts.live, state(job), " ", job.stage && job.state === "running" ? job.stage + ". " : "", job.state !== "running" ? "Ended " : live ? "Live. Started " : "Started ", when(job.closed ?? job.started));
  const act = async (verb, text) => {
    if (text && !(await confirmed(text))) return;
    place(problem);
    try {
      await change("POST", path(id) + "/" + verb, {});
      say("Done: " + verb);
    } catch (e) {
      place(problem, failure(e));
    }
  };
  return {
    cut: () => place(parts.live, "The connection was cut; connecting again."),
    attached: () => tell(shown, true),
    async end(job, signal) {
      if (job.state !== "completed" || result) return;
      result = await ask(path(id) + "/result", { signal });
      this.show(job, true);
    },
    show(job, live) {
      if (!shown) place(main, h("p", { class: "back" }, h("a", { href: "#/jobs" }, "← Jobs")), parts.title, parts.live, problem, parts.bar, parts.facts, parts.steps);
      if (shown?.state !== job.state) say("The job is " + job.state);
      if (shown?.state !== job.state) refresh(parts.actions, actions(job, act, id, problem));
      if (!shown) place(parts.title, heading(job.name || job.id, null, parts.actions));
      shown = job;
      document.title = (job.name || job.id) + " · cogflow";
      tell(job, live);
      place(parts.bar, meter(job.progress));
      place(parts.facts, job.error && h("div", { class: "failure" }, h("p", {}, job.error.message), job.error.advice && h("p", { class: "quiet" }, job.error.advice)), facts(job, result));
      refresh(parts.steps, steps(job), job.details && h("details", {}, h("summary", {}, "Details"), h("pre", { class: "details", tabindex: "0", "aria-label": "Details" }, job.details)));
    },
  };
}

function actions(job, act, id, problem) {
  const running = job.state === "running";
  const report = path(id) + "/report";
  const trains = /^(Train|Optimize)/.test(job.type);
  return [
    running && h("button", { type: "button", click: once(() => act("pause")) }, "Pause"),
    running && h("button", { type: "button", click: once(() => act("resume")) }, "Resume"),
    running && trains && h("button", { type: "button", click: once(() => act("stop", "End the job early and keep the best so far?")) }, "Stop early"),
    running && h("button", { type: "button", class: "danger", click: once(() => act("cancel", "End the job and everything that it started?")) }, "Cancel"),
    job.state === "completed" && job.type !== "DeleteVideo" && (key.get() ?
      h("button", { type: "button", click: once(() => download(report, id + ".html").catch((e) => place(problem, failure(e)))) }, "Download report") :
      h("a", { class: "button", href: report, target: "_blank", rel: "noopener" }, "Report")),
    job.ui && h("a", { class: "button", href: /^https?:/.test(job.ui) ? job.ui : null, target: "_blank", rel: "noopener noreferrer" }, "Temporal Web UI"),
  ];
}

// confirmed asks before something that cannot be undone.
export function confirmed(text) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-label": text, close: () => { resolve(dialog.returnValue === "yes"); dialog.remove(); } },
      h("form", { method: "dialog" }, h("p", {}, text), h("div", { class: "actions" }, h("button", { value: "yes", class: "primary" }, "Yes"), h("button", { value: "no" }, "No"))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

// totals are the pairs of counts that say how far a job is.
const totals = [["done", "total"], ["finished", "videos"], ["step", "steps"], ["step", "max_steps"], ["described", "frames"], ["done", "frames"]];

function meter(progress) {
  if (!progress) return null;
  let pair = totals.find(([a, b]) => progress[b] > 0 && progress[a] >= 0);
  let [done, all] = pair ? [progress[pair[0]], progress[pair[1]]] : [0, 0];
  if (!pair && Array.isArray(progress.trials) && progress.planned > 0) [done, all, pair] = [progress.trials.length, progress.planned, true];
  if (!pair && progress.total?.videos > 0) [done, all, pair] = [(progress.indexed ?? 0) + (progress.unchanged ?? 0) + (progress.failed ?? 0), progress.total.videos, true];
  if (!pair) return null;
  return h("div", { class: "meter" }, h("progress", { max: all, value: Math.min(done, all), "aria-label": "Progress" }), h("span", {}, number(done) + " of " + number(all)));
}

const words = (name) => (name[0].toUpperCase() + name.slice(1)).replace(/_usd$/, " (USD)").replace(/_ms$/, " (ms)").replaceAll("_", " ");

// facts are the counts of a job as large figures, and the rest as a list.
function facts(job, result) {
  const counts = [["Cost", usd(job.cost_usd)]];
  const rows = [["Type", job.type], ["Id", job.id]];
  const hidden = ["tenant", "stage", "started", "cost_usd", "failed", "job", "name", "report"];
  for (const [name, value] of Object.entries(result ?? job.progress ?? {})) {
    if (hidden.includes(name) || value === "" || value === null || value === false) continue;
    if (typeof value === "number") (value === 0 ? rows : counts).push([words(name), Number.isInteger(value) ? number(value) : value.toFixed(4)]);
    else if (typeof value === "string" || value === true) rows.push([words(name), value === true ? "yes" : value]);
  }
  (job.failed ? counts : rows).push(["Failed items", number(job.failed)]);
  return [numbers(counts), h("dl", { class: "facts wide" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)]))];
}

function steps(job) {
  if (!job.steps?.length) return null;
  return [h("h2", {}, "Now"), table("Steps", [
    { name: "Step", head: true, of: (s) => s.activity },
    { name: "State", of: (s) => s.state },
    { name: "Attempt", right: true, of: (s) => number(s.attempt) },
    { name: "Last failure", of: (s) => s.last_failure || "–" },
  ], job.steps)];
}
