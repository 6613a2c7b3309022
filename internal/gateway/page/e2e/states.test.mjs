// What the page says when something is missing, refused or cut.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, settled, stack, visit } from "./browser.mjs";

const refusal = (status, message, headers = {}) => ({ status, headers: { "X-Request-Id": "req_TEST", ...headers }, json: { error: { message, code: "x" } } });
const anyError = /Failed to load resource|ERR_/;

test("each error says what to do, and is tried again", async () => {
  const cases = [
    [(r) => r.abort("connectionrefused"), ["does not answer", "Check that the gateway runs"]],
    [(r) => r.fulfill(refusal(403, "the key may only read models")), ["the key may only read", "Use another key"]],
    [(r) => r.fulfill(refusal(429, "too many requests", { "Retry-After": "7" })), ["too many requests", "Try again in 7 s"]],
    [(r) => r.fulfill(refusal(503, "no worker answers", { "Retry-After": "5" })), ["no worker answers", "Try again in 5 s", "req_TEST"]],
    [(r) => r.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" }), ["a proxy before it, answered 502"]],
    [(r) => r.fulfill({ contentType: "text/html", body: "<h1>Log in to the hotel</h1>" }), ["Is this its address?"]],
  ];
  for (const [fail, texts] of cases) {
    for (const view of ["videos", "jobs", "search?q=x", "pools", "models", "costs", "budgets", "adapters", "programs"]) {
      const api = (u) => !u.pathname.startsWith("/page/") && u.pathname !== "/";
      const { page, done } = await visit("#/" + view, { width: 390, expected: anyError, prepare: (p) => p.route(api, fail) });
      const box = page.locator(".failure");
      await box.waitFor();
      const said = await box.innerText();
      for (const text of texts) assert.ok(said.includes(text), view + ": " + said);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), view);
      assert.equal(await page.locator(".away:visible").count(), 0, view + " shows nothing that is old");
      await page.unroute(api);
      await box.locator("button").focus();
      await page.keyboard.press("Enter");
      await box.waitFor({ state: "detached" });
      await settled(page);
      await done();
    }
  }
});

test("a list that is live stays when it cannot be asked for again, and says that it may be old", async () => {
  const { page, done } = await visit("#/jobs", { expected: anyError, prepare: (p) => p.clock.install() });
  await page.locator("tbody a").first().waitFor();
  for (const fail of [(r) => r.fulfill(refusal(429, "Too many requests.")), (r) => r.fulfill(refusal(503, "No server answers.")), (r) => r.abort("connectionrefused")]) {
    await page.route((u) => u.pathname === "/jobs", fail);
    const asked = page.waitForRequest((r) => new URL(r.url()).pathname === "/jobs");
    await page.clock.runFor(6000);
    await asked;
    await page.locator(".away", { hasText: "What you see may be old" }).waitFor();
    assert.ok((await page.locator("tbody a").count()) > 0);
    await page.unrouteAll();
    await page.clock.runFor(6000);
    await page.locator(".away").waitFor({ state: "hidden" });
  }
  await done();
});

test("a stream that is cut is attached again, and what a person has opened stays open", async () => {
  const job = { id: "train-default-x", type: "TrainSFT", name: "train", state: "running", stage: "training", started: "2026-11-30T00:00:00Z", failed: 0, cost_usd: 0, details: "lines of the job", event: 7, progress: { step: 1, steps: 10 } };
  const event = (id, kind, more) => `id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify({ ...job, ...more })}\n\n`;
  const bodies = [
    event(7, "state", { progress: { step: 2, steps: 10 } }),
    ": waiting\n\n",
    event(8, "state", { progress: { step: 5, steps: 10 } }),
  ];
  const afters = [];
  let hold;
  const { page, done } = await visit("#/jobs/" + job.id, { expected: anyError, prepare: async (p) => {
    await answer(p, "/jobs/" + job.id, job);
    await p.route((u) => u.pathname.endsWith("/events"), async (r) => {
      afters.push(new URL(r.request().url()).searchParams.get("after"));
      const body = bodies.shift();
      if (body === undefined) await new Promise((resolve) => { hold = resolve; });
      await r.fulfill({ contentType: "text/event-stream", body: body ?? event(9, "end", { state: "failed", error: { message: "It failed." } }) });
    });
  } });
  await page.locator("summary").focus();
  await page.keyboard.press("Enter");
  await page.locator("progress[value='5']").waitFor();
  assert.ok(await page.locator("details").evaluate((e) => e.open));
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "SUMMARY");
  while (!hold) await page.evaluate(() => 0);
  assert.deepEqual(afters, [null, "7", "7", "8"]);
  hold();
  await page.locator(".failure", { hasText: "It failed." }).waitFor();
  await page.locator(".chip", { hasText: "failed" }).waitFor();
  await done();
});

test("addresses that are wrong say so, and a reload, back and a second tab keep the view", async () => {
  const { page, done } = await visit("#/jobs/%zz", { expected: anyError });
  await page.locator(".failure").waitFor();
  await page.locator("main a", { hasText: "All jobs" }).click();
  await page.locator("tbody a").first().click();
  await page.locator(".back").waitFor();
  const [title, at] = [await page.locator("h1").textContent(), page.url()];
  await page.reload();
  await page.locator("h1", { hasText: title }).waitFor();
  const second = await page.context().newPage();
  await second.goto(at);
  await second.locator("h1", { hasText: title }).waitFor();
  await page.goBack();
  await page.locator("tbody a").first().waitFor();
  await page.goForward();
  await page.locator("h1", { hasText: title }).waitFor();
  await page.goto(stack.base + "/#/videos?offset=abc");
  await page.locator(".tile").first().waitFor();
  await done();
});

test("on a slow network the page shows that it loads, and a later view is not overwritten by an earlier one", async () => {
  let late;
  const { page, done } = await visit("#/videos", { prepare: (p) => p.route((u) => u.pathname === "/videos", async (r) => {
    await new Promise((resolve) => { late = resolve; });
    await r.continue().catch(() => {}); // the page no longer waits for it
  }) });
  await page.locator(".skeletons").waitFor();
  await page.locator("#nav a", { hasText: "Models" }).click();
  await page.locator("h1", { hasText: "Models" }).waitFor();
  late();
  await settled(page);
  assert.equal(await page.locator("h1").textContent(), "Models");
  assert.equal(await page.locator(".tile").count(), 0);
  await done();
});
