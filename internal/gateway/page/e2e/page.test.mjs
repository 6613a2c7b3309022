// The page in Chromium: what a person does with it, on a phone and on a desk, in light and in dark.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { answer, browser, published, settled, stack, views, visit } from "./browser.mjs";
import { hostile } from "./stack.mjs";

const axe = await readFile(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const shots = process.env.SHOTS; // a folder for pictures; none = none are taken

test("search as you type, play at the hit, without a mouse", async () => {
  const { page, done } = await visit("#/search");
  await page.keyboard.type("harbour"); // the field has the focus
  const hit = page.locator(".group", { hasText: "harbour.webm" }).locator(".hit", { hasText: /blue harbour/i }).first();
  await hit.waitFor();
  assert.match(await page.evaluate(() => location.hash), /q=harbour/);
  assert.equal((await hit.locator("mark").first().textContent()).toLowerCase(), "harbour");
  const found = await (await fetch(stack.base + "/search?q=harbour&limit=60&per_video=12")).json();
  const first = found.videos.find((v) => v.name === "harbour.webm").hits.find((h) => /harbour/i.test(h.caption));
  await page.locator(".group", { hasText: "harbour.webm" }).locator(".mark").first().waitFor();
  await hit.focus();
  await page.evaluate(() => addEventListener("seeked", (e) => { window.sought ??= e.target.currentTime; }, true)); // before it plays on
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => window.sought !== undefined);
  assert.equal(await page.evaluate(() => window.sought), first.start_ms / 1000);
  assert.equal(await hit.getAttribute("aria-pressed"), "true");
  assert.equal(await page.locator(".group", { hasText: "harbour.webm" }).locator(".mark.chosen").count(), 1);
  await done();
});

test("hostile names and captions stay text", async () => {
  const { page, done } = await visit("#/videos");
  await page.locator(".tile", { hasText: hostile }).click();
  await page.locator("h1", { hasText: hostile }).waitFor();
  assert.equal(await page.locator("img[src=x]").count(), 0);
  await page.locator(".cell").nth(1).click();
  await page.waitForFunction(() => document.querySelector("video").currentTime > 0);
  await done();
});

test("watch a job to its end", async () => {
  const { id } = await (await fetch(stack.base + "/jobs/ingest", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ source: stack.clips, force: true }) })).json();
  const { page, done } = await visit("#/jobs/" + encodeURIComponent(id));
  await page.locator(".chip", { hasText: "completed" }).waitFor({ timeout: 120_000 });
  await page.locator("dt", { hasText: "indexed" }).waitFor();
  assert.match(await page.locator("a.button", { hasText: "Temporal Web UI" }).getAttribute("href"), /^http:\/\/127\.0\.0\.1/);
  const report = await fetch(stack.base + (await page.locator("a.button", { hasText: "Report" }).getAttribute("href")));
  assert.equal(report.status, 200);
  await done();
});

test("change a budget", async () => {
  const { page, done } = await visit("#/budgets");
  await page.fill("#usd", "12.5");
  await page.selectOption("#period", "day");
  await page.click("text=Set budget");
  await page.locator("td", { hasText: "$12.50" }).first().waitFor();
  assert.equal((await (await fetch(stack.base + "/budgets")).json()).budgets[0].limit_usd, 12.5);
  await page.click("text=Clear");
  await page.click("dialog >> text=Yes");
  await page.locator(".empty").waitFor();
  await done();
});

test("compare versions", async () => {
  const { page, done } = await visit("#/search");
  const line = published.program;
  await answer(page, "/programs", { programs: [line(2, "inactive"), line(1, "active")] });
  await page.route("**/programs/router/2/diff?with=1", (r) => r.fulfill({ json: {
    before: line(1, "active"), after: line(2, "inactive"), changed: true,
    predictors: [{ name: "route", changed: true, demos_before: 1, demos_after: 1, demos_added: [], demos_removed: [],
      instructions: [{ op: "same", text: "Answer " }, { op: "removed", text: "fast" }, { op: "added", text: "<script>alert(1)</script>" }] }],
  } }));
  await page.evaluate(() => { location.hash = "#/programs"; });
  await page.locator("select[name=before]").waitFor();
  await page.click("form.inline >> text=Compare");
  assert.equal(await page.locator("ins").textContent(), "<script>alert(1)</script>");
  assert.equal(await page.locator("del").textContent(), "fast");
  await done();
});

test("a key is asked for where it is needed, and stays in the tab", async () => {
  const { page, done } = await visit("#/search");
  let used = "";
  await page.route("**/videos?*", (r) => {
    used = r.request().headers().authorization ?? "";
    return used === "Bearer cf_good" ? r.fulfill({ json: { videos: [] } }) :
      r.fulfill({ status: 401, json: { error: { message: "a key is required", code: "invalid_api_key" } } });
  });
  await page.evaluate(() => { location.hash = "#/videos"; });
  await page.fill("#key", "cf_good");
  await page.keyboard.press("Enter");
  await page.locator(".empty").waitFor();
  assert.equal(used, "Bearer cf_good");
  assert.equal(await page.evaluate(() => sessionStorage.getItem("cogflow.key") + localStorage.length), "cf_good0");
  await page.close();
  await done().catch((e) => assert.match(e.message, /401/)); // Chromium writes each 401 to its console
});

test("with a key, a video is played in ranges through the service worker", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript((secret) => sessionStorage.setItem("cogflow.key", secret), stack.secret);
  await page.goto(stack.keyed + "/#/search?q=harbour");
  const answered = [];
  context.on("response", (r) => { if (r.url().endsWith("/content")) answered.push(r.status()); });
  await page.locator(".hit", { hasText: /blue harbour/i }).first().click();
  await page.waitForFunction(() => document.querySelector("video")?.currentTime >= 3);
  assert.ok(answered.includes(206) && !answered.includes(401), "answers: " + answered);
  await page.locator(".hit .thumb.loaded").first().waitFor();
  await context.close();
});

test("search by a picture, which a profile of words refuses, and by a hit", async () => {
  const { page, done } = await visit("#/search");
  const found = await (await fetch(stack.base + "/search?q=harbour&limit=1")).json();
  const { video, hits: [hit] } = found.videos[0];
  const jpeg = Buffer.from(await (await fetch(stack.base + "/videos/" + video + "/frames/" + hit.pts_ms + ".jpg")).arrayBuffer());
  await page.setInputFiles("input[type=file]", { name: "tram.jpg", mimeType: "image/jpeg", buffer: jpeg });
  await page.locator(".example", { hasText: "Like this picture" }).waitFor();
  await page.locator(".failure", { hasText: "profile" }).waitFor();
  await page.click("text=Remove example");
  await page.locator(".tile").first().waitFor();
  await page.fill("#q", "harbour");
  await page.locator(".like").first().click();
  await page.locator(".example", { hasText: "Like this hit" }).waitFor();
  await page.locator(".group").first().waitFor();
  await page.close();
  await done().catch((e) => assert.match(e.message, /400/)); // Chromium writes each refusal to its console
});

test("every view has no serious violation and fits, at 390 and 1440, in light and dark", async () => {
  const all = await views();
  if (shots) await mkdir(shots, { recursive: true });
  for (const width of [390, 1440]) {
    for (const colorScheme of ["light", "dark"]) {
      for (const view of all) {
        const { page, done } = await visit("#/" + view, { width, colorScheme });
        await settled(page);
        const name = `${view.replace(/[^a-z]+/g, "-").slice(0, 20)}-${width}-${colorScheme}`;
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
        if (shots) await page.screenshot({ path: path.join(shots, name + ".png") });
        // Playwright runs it outside the policy of the page.
        const client = await page.context().newCDPSession(page);
        await client.send("Runtime.evaluate", { expression: axe });
        const found = await page.evaluate(() => window.axe.run());
        const serious = found.violations.filter((v) => ["serious", "critical"].includes(v.impact));
        assert.deepEqual(serious.map((v) => [v.id, v.nodes.map((n) => n.target.join(" ") + ": " + n.failureSummary)]), [], name);
        await done();
      }
    }
  }
});
