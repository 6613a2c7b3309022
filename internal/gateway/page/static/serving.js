// What serves jobs: pools of workers, model servers on demand, and the models that can be called.
import { h, place, number, span, table, chip, heading, skeleton, empty } from "/page/ui.js";
import { ask } from "/page/api.js";

const states = { busy: "", ready: "", idle: "", failed: "bad", unusable: "bad", backing_off: "bad" };

export async function pools(main, route) {
  main.dataset.view = "pools";
  const box = h("div", {}, skeleton("rows", 6));
  place(main, heading("Pools", "Task queues, the workers that serve them, and what waits."), box);
  const found = await ask("/pools", { signal: route.signal, cache: "no-store" });
  const hosts = found.pools.some((p) => p.hosts);
  place(box,
    table("Pools", [
      { name: "Queue", head: true, of: (p) => p.queue },
      { name: "GPU class", of: (p) => p.class },
      { name: "Workers", right: true, of: (p) => [number(p.workers), p.draining ? " + " + number(p.draining) + " draining" : "", p.workers === 0 && chip("no worker", "bad")] },
      { name: "Slots used", right: true, of: (p) => (p.slots_used === undefined || p.workers === 0 ? "–" : number(p.slots_used) + " of " + number(p.slots_used + p.slots_free)) },
      { name: "Waiting tasks", right: true, of: (p) => number(p.backlog) },
      { name: "Oldest", right: true, of: (p) => (p.backlog ? span(p.oldest_s) : "–") },
      { name: "Tasks per minute", right: true, of: (p) => Math.round(p.tasks_per_minute) },
      hosts && { name: "Hosts", of: (p) => (p.hosts ?? []).join(", ") || "–" },
    ].filter(Boolean), found.pools),
    h("h2", {}, "Model servers on demand"),
    found.model_servers.length === 0 ? empty("No worker has a model server on demand.", "cogflow models list") :
      table("Model servers", [
        { name: "Server", head: true, of: (s) => s.server },
        { name: "Models", of: (s) => (s.models ?? []).join(", ") || "–" },
        { name: "State", of: (s) => [chip(s.state.replace("_", " "), states[s.state] ?? "soft"), h("span", { class: "quiet under" }, s.state_text)] },
        { name: "Class", of: (s) => s.class },
        { name: "Host", of: (s) => s.host || "–" },
      ], found.model_servers));
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
