// A Chromium on a whole cogflow, for one file of tests.
import assert from "node:assert/strict";
import { after } from "node:test";
import { chromium } from "playwright-core";
import { start } from "./stack.mjs";

export const stack = await start();
export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

after(async () => {
  await browser.close();
  await stack.stop();
});

// visit opens a view. Nothing may be loaded from elsewhere, and no script may fail. expected is what Chromium may write to its
// console: it writes each answer that is an error. prepare is called before the view is opened.
export async function visit(hash, { width = 1440, height = 900, colorScheme = "light", expected = /^$/, prepare = async () => {}, ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, ...more });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (e) => problems.push(e.message));
  page.on("console", (m) => { if (m.type() === "error" && !expected.test(m.text())) problems.push(m.text()); });
  page.on("dialog", (d) => { problems.push("a dialog: " + d.message()); d.dismiss(); });
  page.on("request", (r) => { if (!r.url().startsWith(stack.base) && !r.url().startsWith("blob:")) problems.push("loaded " + r.url()); });
  await prepare(page);
  await page.goto(stack.base + "/" + hash);
  return { page, done: async () => { await context.close(); assert.deepEqual(problems, []); } };
}

// settled waits until nothing of the view is being loaded.
export const settled = (page) => page.waitForFunction(() => document.querySelector("main").childElementCount > 0 && !document.querySelector(".skeletons:not(.bar), [aria-busy]"));

// views are the addresses of all views.
export async function views() {
  const { videos } = await (await fetch(stack.base + "/videos")).json();
  const { jobs } = await (await fetch(stack.base + "/jobs?limit=1")).json();
  return ["search", "search?q=harbour", "videos", "videos/" + videos[0].video, "jobs", "jobs/" + encodeURIComponent(jobs[0].id), "adapters", "programs", "pools", "models", "costs", "budgets"];
}

// answer has a route answer a document. Training and optimization do not run here: what they could have published is written down.
export const answer = (page, path, json) => page.route((u) => u.pathname === path, (r) => r.fulfill({ json }));

const program = (version, status, more = {}) => ({ name: "router", version, status, mode: "improved", default_score: 50, score: 60 + version, confirmed: true, rows: 40, calls: 10, cost_usd: 0.5, created: "2026-11-01T00:00:00Z", ...more });
const adapter = (version, status, more = {}) => ({ name: "judge", version, role: "judge", status, kind: "adapter", method: "sft", base_model: "HuggingFaceTB/SmolLM2-135M-Instruct", better: true, ended: "done", metrics: { loss: 1.25 }, job: "t", bytes: 2345678, created: "2026-11-01T00:00:00Z", ...more });

export const published = { program, adapter };
