// What calls have cost, and the budgets of the tenant.
import { h, place, say, bar, number, numbers, usd, span, table, chip, heading, skeleton, empty, failure } from "/page/ui.js";
import { ask, change, query } from "/page/api.js";
import { confirmed } from "/page/jobs.js";
import { once } from "/page/focus.js";

const dimensions = [["model", "Model"], ["workflow", "Job"], ["day", "Day"], ["gpu", "GPU class"], ["kind", "Kind of call"]];
const times = [["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"], ["all", "all time"]];

export async function costs(main, route) {
  main.dataset.view = "costs";
  const by = route.query.get("by") ?? "model";
  const since = route.query.get("since") ?? "30d";
  const choose = (name, now, all, label) => h("label", { class: "choice" }, label, h("select", {
    id: name,
    change: (e) => { location.hash = "#/costs" + query({ by, since, [name]: e.target.value }); },
  }, all.map(([value, text]) => h("option", { value, selected: value === now }, text))));
  const box = h("div", {}, skeleton("rows", 5));
  place(main, heading("Costs", "What the calls of this tenant have cost, by the ledger.", choose("by", by, dimensions, "By"), choose("since", since, times, "In the last")), box);
  const found = await ask("/costs" + query({ by, since }), { signal: route.signal, cache: "no-store" });
  if (found.total.calls === 0) {
    place(box, empty("No calls in this time.", "cogflow costs --since all"));
    return;
  }
  const most = Math.max(...found.groups.map((g) => g.settled_usd), 0);
  place(box,
    numbers([["Settled", usd(found.total.settled_usd)], ["Reserved", usd(found.total.reserved_usd)], ["Calls", number(found.total.calls)],
      ["Tokens", number(found.total.input_tokens + found.total.output_tokens)], ["GPU time", span(found.total.gpu_seconds)]]),
    table("Costs", [
      { name: dimensions.find(([d]) => d === by)?.[1] ?? by, head: true, of: (g) => g.group[by] || "–" },
      { name: "Calls", right: true, of: (g) => number(g.calls) },
      { name: "Failed", right: true, of: (g) => number(g.refused + g.charged + g.lost) },
      { name: "Input tokens", right: true, of: (g) => number(g.input_tokens) },
      { name: "Output tokens", right: true, of: (g) => number(g.output_tokens) },
      { name: "GPU time", right: true, of: (g) => (g.gpu_seconds ? span(g.gpu_seconds) : "–") },
      { name: "Settled (USD)", right: true, of: (g) => [usd(g.settled_usd), most > 0 && bar(g.settled_usd / most)] },
    ], found.groups),
    found.groups.length === 100 && h("p", { class: "note" }, "These are the 100 most expensive ones. The sums above are of all."));
}

export async function budgets(main, route) {
  main.dataset.view = "budgets";
  const box = h("div", {}, skeleton("rows", 3));
  const problem = h("div");
  place(main, heading("Budgets", "A call must fit all budgets that cover it. Days and months are those of UTC."), problem, box);
  const found = await ask("/budgets", { signal: route.signal, cache: "no-store" });
  const clear = (b) => h("button", { type: "button", class: "danger", "aria-label": "Clear the budget of " + usd(b.limit_usd) + " " + per(b.period) + (b.model ? " of " + b.model : ""), click: once(async () => {
    if (!(await confirmed("Remove the budget of " + usd(b.limit_usd) + " " + per(b.period) + "?"))) return;
    try {
      await change("DELETE", "/budgets" + query({ model: b.model, period: b.period, soft: b.kind === "soft" ? "true" : "" }));
      await route.again();
    } catch (e) { place(problem, failure(e)); }
  }) }, "Clear");
  place(box,
    found.budgets.length === 0 ? empty("There is no budget: nothing limits what is spent.", found.changeable ? null : "cogflow budget set 50 --tenant TENANT") :
      table("Budgets", [
        { name: "Budget of", head: true, of: (b) => [b.org && "organisation " + b.org, b.tenant && "tenant " + b.tenant, b.model && "model " + b.model].filter(Boolean).join(", ") },
        { name: "Period", of: (b) => b.period },
        { name: "Kind", of: (b) => b.kind },
        { name: "Limit (USD)", right: true, of: (b) => usd(b.limit_usd) },
        { name: "Spent", right: true, of: (b) => [usd(b.spent_usd), b.limit_usd > 0 && bar((b.spent_usd + b.reserved_usd) / b.limit_usd, true)] },
        { name: "Reserved", right: true, of: (b) => usd(b.reserved_usd) },
        { name: "Left", right: true, of: (b) => usd(b.left_usd) },
        { name: "State", of: (b) => chip(b.state, b.state === "ok" ? "" : "bad") },
        { name: "Ends", of: (b) => (b.period_end ? h("time", { datetime: b.period_end }, b.period_end.slice(0, 10)) : "never") },
        found.changeable && { name: "Change", of: (b) => (b.tenant ? clear(b) : "–") },
      ].filter(Boolean), found.budgets),
    found.changeable ? form(route, problem) : h("p", { class: "note" }, "Budgets are changed on the gateway’s own host: here at a loopback address, or with ", h("code", {}, "cogflow budget set"), "."));
}

const per = (period) => (period === "total" ? "in total" : "a " + period);

function form(route, problem) {
  const amount = h("input", { name: "usd", type: "number", min: 0, step: "any", required: true, id: "usd", placeholder: "50" });
  const period = h("select", { name: "period", id: "period" }, ["month", "day", "total"].map((p) => h("option", { value: p }, p)));
  const model = h("input", { name: "model", id: "model", placeholder: "all models" });
  const soft = h("select", { name: "soft", id: "soft" }, h("option", { value: "" }, "hard: calls wait"), h("option", { value: "soft" }, "soft: stops nothing"));
  const field = (id, label, input) => h("div", {}, h("label", { for: id }, label), input);
  return h("form", { class: "card budget", submit: async (e) => {
    e.preventDefault();
    place(problem);
    try {
      const done = await change("PUT", "/budgets", { usd: Number(amount.value), period: period.value, model: model.value.trim(), soft: soft.value === "soft" });
      await route.again();
      say("The budget is " + usd(done.budget.limit_usd) + " " + per(done.budget.period));
    } catch (x) { place(problem, failure(x)); }
  } },
  h("h2", {}, "Set a budget"),
  h("p", { class: "quiet" }, "It replaces the amount of a budget with the same period, model and kind. 0 means that nothing may be spent."),
  h("div", { class: "fields" }, field("usd", "Amount (USD)", amount), field("period", "Period", period), field("model", "Model", model), field("soft", "Kind", soft)),
  h("button", { type: "submit", class: "primary", id: "set-budget" }, "Set budget"));
}
