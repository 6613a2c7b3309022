// Adapters and programs: versions, scores, what differs, and which one is active.
import { h, place, say, number, bytes, usd, percent, when, table, chip, heading, skeleton, empty, failure, growing } from "/page/ui.js";
import { ask, change, query } from "/page/api.js";
import { confirmed } from "/page/jobs.js";
import { once } from "/page/focus.js";

const statuses = { active: "", canary: "", deprecated: "soft", inactive: "soft", damaged: "bad" };
const status = (v) => chip(v.status + (v.share ? ", " + v.share + " %" : ""), statuses[v.status] ?? "soft");

const full = (v) => v.name + "@" + v.version;

// acts makes a button that changes something, and shows the view again.
function acts(route, box) {
  return (text, of, question, method, path, body) => h("button", { type: "button", "aria-label": text + " " + of, dataset: { id: text === "Roll back" || text === "End canary" ? text + " " + of : of }, click: once(async () => {
    if (question && !(await confirmed(question))) return;
    place(box);
    try {
      await change(method, path, body);
      say("Done: " + text);
      await route.again();
    } catch (problem) {
      place(box, failure(problem));
    }
  }) }, text);
}

const metric = (m) => Object.entries(m ?? {}).filter(([, v]) => typeof v === "number").slice(0, 2).map(([name, v]) => name.replaceAll("_", " ") + " " + v.toPrecision(4)).join(", ") || "–";

export async function adapters(main, route) {
  main.dataset.view = "adapters";
  const box = h("div", {}, skeleton("rows", 5));
  const problem = h("div");
  place(main, heading("Adapters", "Every training run publishes a version. One version of each role is active."), problem, box);
  const found = await ask("/adapters", { signal: route.signal, cache: "no-store" });
  if (found.adapters.length === 0) {
    place(box, empty("No adapter is published yet.", "cogflow train sft --dataset FILE --base-model MODEL"));
    return;
  }
  const act = acts(route, problem);
  const at = (a) => "/adapters/" + encodeURIComponent(a.name) + "/" + a.version;
  place(box, table("Versions of adapters", [
    { name: "Adapter", head: true, of: (a) => [full(a), h("span", { class: "quiet under" }, a.base_model)] },
    { name: "Status", of: status },
    { name: "Role", of: (a) => a.role || "–" },
    { name: "Method", of: (a) => a.method || "–" },
    { name: "On held-out rows", of: (a) => metric(a.metrics) },
    { name: "Against base", of: (a) => (a.status === "damaged" ? "–" : a.better ? "better" : "not better") },
    { name: "Size", right: true, of: (a) => (a.bytes ? bytes(a.bytes) : "–") },
    { name: "Created", of: (a) => when(a.created) },
    { name: "Change", actions: true, of: (a) => a.status === "active" ?
      [act("Deactivate", full(a), "Serve the role " + a.role + " with its base model?", "POST", "/roles/" + encodeURIComponent(a.role) + "/deactivate"),
        act("Roll back", full(a), "Reactivate the previous adapter of the role " + a.role + "?", "POST", "/roles/" + encodeURIComponent(a.role) + "/rollback")] :
      a.status === "damaged" ? "–" :
        act("Activate", full(a), a.better ? "" : "This version was not better than its base. Activate it all the same?", "POST", at(a) + "/activate", { force: !a.better }) },
  ], found.adapters), found.more && h("p", { class: "note" }, "There are more versions: cogflow adapters list NAME"));
}

export async function programs(main, route) {
  main.dataset.view = "programs";
  const box = h("div", {}, skeleton("rows", 5));
  const problem = h("div");
  place(main, heading("Programs", "Every optimization publishes a version. One is active; a canary serves a share of all keys."), problem, box);
  const found = await ask("/programs", { signal: route.signal, cache: "no-store" });
  if (found.programs.length === 0) {
    place(box, empty("No program is published yet.", "cogflow optimize --program FILE --trainset FILE"));
    return;
  }
  const names = [...new Set(found.programs.map((p) => p.name))];
  const act = acts(route, problem);
  place(box, growing(h("div"), names, (name) => program(name, found.programs.filter((p) => p.name === name), act, problem), 20),
    found.more && h("p", { class: "note" }, "There are more versions: cogflow programs list NAME"));
}

function program(name, versions, act, problem) {
  const at = (v) => "/programs/" + encodeURIComponent(name) + "/" + v;
  const better = (p) => (p.confirmed ? "better" : p.rows ? "not better" : "not confirmed");
  const shown = h("div", { class: "diff-box" });
  const option = (p) => h("option", { value: p.version }, name + "@" + p.version + " · " + percent(p.score));
  const before = h("select", { "aria-label": "Version before", name: "before", dataset: { id: "before " + name } }, versions.map(option));
  const after = h("select", { "aria-label": "Version after", name: "after", dataset: { id: "after " + name }, change: () => place(given, full(later())) }, versions.map(option));
  before.selectedIndex = Math.min(1, versions.length - 1);
  const later = () => versions.find((v) => String(v.version) === after.value);
  const given = h("b", { dir: "auto" }, full(later()));
  const share = h("input", { type: "number", name: "share", min: 0, max: 100, value: versions.find((p) => p.share)?.share ?? 10, "aria-label": "Percent of all keys", size: 4, dataset: { id: "share " + name } });
  return h("section", { class: "card group", "aria-label": name },
    h("h2", {}, h("span", { dir: "auto" }, name)),
    table("Versions of " + name, [
      { name: "Version", head: true, of: (p) => "@" + p.version },
      { name: "Status", of: status },
      { name: "Default", right: true, of: (p) => percent(p.default_score) },
      { name: "Score", right: true, of: (p) => percent(p.score) },
      { name: "Against default", of: better },
      { name: "Calls", right: true, of: (p) => number(p.calls) },
      { name: "Cost (USD)", right: true, of: (p) => usd(p.cost_usd) },
      { name: "Created", of: (p) => when(p.created) },
      { name: "Change", actions: true, of: (p) => p.status === "damaged" ? "–" : p.status === "active" ?
        act("Roll back", full(p), "Reactivate the version that was active before?", "POST", "/programs/" + encodeURIComponent(name) + "/rollback") :
        [act("Promote", full(p), p.confirmed ? "" : "This version was not shown to be better. Promote it all the same?", "POST", at(p.version) + "/promote", { force: !p.confirmed }),
          p.status === "canary" && act("End canary", full(p), "", "POST", at(p.version) + "/canary", { share: 0 })] },
    ], versions),
    versions.length > 1 && h("form", { class: "inline", submit: async (e) => {
      e.preventDefault();
      place(shown, skeleton("rows", 3));
      try {
        place(shown, compared(await ask(at(after.value) + "/diff" + query({ with: before.value }), { cache: "no-store" })));
        say("Compared");
      } catch (x) { place(shown, failure(x)); }
    } }, "Compare", before, "with", after, h("button", { type: "submit", dataset: { id: "compare " + name } }, "Compare")),
    versions.some((v) => v.status !== "damaged") && h("form", { class: "inline", submit: async (e) => {
      e.preventDefault();
      const p = later();
      const doubt = p.confirmed ? "" : "This version was not shown to be better. ";
      if (!(await confirmed(doubt + "Give " + full(p) + " to " + share.value + " % of all keys?"))) return;
      try {
        await change("POST", at(p.version) + "/canary", { share: Number(share.value), force: !p.confirmed });
        dispatchEvent(new HashChangeEvent("hashchange"));
      } catch (x) { place(problem, failure(x)); }
    } }, "Give", given, "to", share, "% of all keys", h("button", { type: "submit", dataset: { id: "canary " + name } }, "Start canary")),
    shown);
}

// compared shows two versions word by word.
function compared(c) {
  const score = (p) => p.name + "@" + p.version + " (" + percent(p.score) + ")";
  return [
    h("p", {}, score(c.before) + " → " + score(c.after)),
    !c.changed && h("p", { class: "quiet" }, "The same instructions and demos."),
    c.predictors.filter((p) => p.changed).map((p) => h("div", { class: "predictor" },
      h("h3", {}, p.name),
      h("p", { class: "diff" }, (p.instructions ?? []).map((part) => part.op === "added" ? h("ins", {}, part.text) : part.op === "removed" ? h("del", {}, part.text) : part.text)),
      h("p", { class: "quiet" }, "Demos: " + number(p.demos_before) + " before, " + number(p.demos_after) + " after"),
      (p.demos_removed ?? []).map((d) => demo("removed", d)), (p.demos_added ?? []).map((d) => demo("added", d)))),
  ];
}

function demo(how, d) {
  return h("dl", { class: "facts demo " + how, "aria-label": "Demo " + how },
    Object.entries(d).map(([name, value]) => [h("dt", {}, name), h("dd", {}, written(value).slice(0, 400))]));
}

// written is a value of a demo: text as it is, and lists of texts without the signs of JSON.
function written(value) {
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((v) => typeof v !== "object")) return value.join(", ");
  return value === true ? "yes" : value === false ? "no" : JSON.stringify(value);
}
