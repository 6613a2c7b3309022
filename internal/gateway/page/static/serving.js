// What serves jobs: pools of workers, GPUs, model servers on demand, and the models that can be called.
import { h, place, refresh, say, bar, gib, number, span, table, chip, heading, skeleton, empty, failure } from "/page/ui.js";
import { ask, change, query } from "/page/api.js";
import { changed, follow } from "/page/live.js";
import { confirmed } from "/page/jobs.js";
import { once } from "/page/focus.js";

const states = { busy: "", ready: "", idle: "", failed: "bad", unusable: "bad", backing_off: "bad" };

export async function pools(main, route) {
  main.dataset.view = "pools";
  const box = h("div", {}, skeleton("rows", 6));
  const problem = h("div");
  place(main, heading("Pools", "Task queues, the workers that serve them, and what waits, live."), problem, box);
  await follow("/pools", 15, route.signal, (found) => refresh(box,
    queues(found),
    (found.problems ?? []).map((text) => h("p", { class: "note warn" }, "Not known: " + text)),
    found.gpus.length > 0 && [h("h2", {}, "GPUs"), gpus(found.gpus)],
    h("h2", {}, "Model servers on demand"),
    found.model_servers.length === 0 ? empty("No worker has a model server on demand. Workers start those of cogflow.servers in the configuration.") : servers(found.model_servers, problem)));
}

function queues(found) {
  const hosts = found.pools.some((p) => p.hosts);
  return table("Pools", [
    { name: "Queue", head: true, of: (p) => p.queue },
    { name: "GPU class", of: (p) => p.class },
    { name: "Workers", right: true, of: (p) => [number(p.workers), p.draining ? " + " + number(p.draining) + " draining" : "", p.workers === 0 && [" ", chip("no worker", p.backlog ? "bad" : "soft")]] },
    { name: "Slots used", right: true, of: (p) => (p.slots_used === undefined || p.workers === 0 ? "–" : [number(p.slots_used) + " of " + number(p.slots_used + p.slots_free), p.slots_used > 0 && bar(p.slots_used / (p.slots_used + p.slots_free), true)]) },
    { name: "Waiting tasks", right: true, of: (p) => number(p.backlog) },
    { name: "Oldest", right: true, of: (p) => (p.backlog ? span(p.oldest_s) : "–") },
    { name: "Tasks per minute", right: true, of: (p) => Math.round(p.tasks_per_minute) },
    hosts && { name: "Hosts", of: (p) => (p.hosts ?? []).join(", ") || "–" },
  ].filter(Boolean), found.pools);
}

// memory is what is used of the memory of GPUs.
function memory(used, total) {
  if (!total) return "–";
  return used === undefined ? "unknown of " + gib(total) : [gib(used) + " of " + gib(total), bar(used / total, true)];
}

function gpus(all) {
  return table("GPUs", [
    { name: "GPU", head: true, of: (g) => [g.name || "unknown", g.uuid && h("span", { class: "quiet under" }, g.uuid)] },
    { name: "GPU class", of: (g) => g.class },
    { name: "Memory used", right: true, of: (g) => memory(g.memory_used_bytes, g.memory_bytes) },
    { name: "State", of: (g) => (g.set_aside || g.state_text === "set aside" ? [chip("set aside", "bad"), h("span", { class: "quiet under" }, g.set_aside ?? "")] : g.state_text) },
    { name: "Host", of: (g) => g.host || "–" },
  ], all);
}

function servers(all, problem) {
  const act = (s, verb, text, values) => h("button", { type: "button", "aria-label": text + " " + s.server + " on " + s.host, dataset: { id: s.server + " on " + s.host }, click: once(async () => {
    if (verb === "release" && !(await confirmed("Stop " + s.server + " on " + s.host + "? Requests in progress have a minute to end."))) return;
    place(problem);
    try {
      const done = await change("POST", "/model-servers/" + encodeURIComponent(s.server) + "/" + verb + query({ host: s.host, ...values }));
      say(done.done === "starting" ? s.server + " is starting" : verb === "warm" ? s.server + " is ready" : s.server + " is stopped");
    } catch (x) {
      place(problem, failure(x));
    }
    changed();
  }) }, text);
  return table("Model servers", [
    { name: "Server", head: true, of: (s) => [s.server, h("span", { class: "quiet under" }, (s.models ?? []).join(", "))] },
    { name: "State", of: (s) => [chip(s.state.replace("_", " "), states[s.state] ?? "soft"), s.state_text !== s.state && h("span", { class: "quiet under" }, s.state_text), s.detail && h("span", { class: "quiet under" }, s.detail)] },
    { name: "Class", of: (s) => s.class },
    { name: "Memory used", right: true, of: (s) => memory(s.devices_memory_used_bytes, s.devices_memory_bytes) },
    { name: "Host", of: (s) => s.host || "–" },
    all.some((s) => s.host) && { name: "Change", of: (s) => (s.state === "unusable" ? "–" : [
      ["asleep", "failed", "backing_off"].includes(s.state) ? act(s, "warm", "Start") : act(s, "release", "Stop"),
    ]) },
  ].filter(Boolean), all);
}

export async function models(main, route) {
  main.dataset.view = "models";
  const box = h("div", {}, skeleton("rows", 4));
  place(main, heading("Models", "Names that the routes of OpenAI’s API take."), box);
  const found = await ask("/v1/models", { signal: route.signal });
  place(box, found.data.length === 0 ? empty("No model endpoint is configured.", "cogflow init") :
    table("Models", [
      { name: "Model", head: true, of: (m) => h("code", {}, m.id) },
      { name: "Owner", of: (m) => m.owned_by },
    ], found.data));
}
