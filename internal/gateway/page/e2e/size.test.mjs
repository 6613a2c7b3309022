// The page with 1,000 jobs and 1,000 videos, which are really there.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { answer, published, settled, stack, visit } from "./browser.mjs";

const many = 1000;
const names = ["مقطع طويل عن الميناء {}.mp4", "🎬🚢 harbour at night {} 👩‍👩‍👧‍👦.webm", "x".repeat(180) + "{}.mp4", "<b>bold</b>&amp;{}.mp4", "clip {}.mp4"];
const frozen = 500; // ms: a task that is longer is felt

// insert publishes videos in the index, as an ingest of each would; they have no pictures.
const insert = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60)
many, names = int(sys.argv[2]), json.loads(sys.argv[3])
for i in range(many):
    of = format(i + 1, "064x")
    db.execute("INSERT INTO generation (scope, video, generation, encoding, dim, published, revision, documents, uri, name, duration_ms) SELECT scope, ?, ?, encoding, dim, published, revision, documents, uri, ?, ? FROM generation LIMIT 1",
               (of, of, names[i % len(names)].replace("{}", str(i)), i * 7919 % 20000000))
db.commit()
`;

async function fill() {
  await promisify(execFile)("python3", ["-c", insert, path.join(stack.dir, ".cogflow", "index.db"), String(many), JSON.stringify(names)]);
  let next = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (next < many) {
      const video = (10_000_000 + next++).toString(16).padStart(64, "0"); // one that is not there: the shortest job
      const r = await fetch(stack.base + "/jobs/delete-video", { method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": video }, body: JSON.stringify({ video }) });
      assert.equal(r.status, 202, await r.text());
    }
  }));
}

await fill();

// slow has the page write down its long tasks.
const slow = (page) => page.addInitScript(() => {
  window.tasks = [];
  new PerformanceObserver((l) => window.tasks.push(...l.getEntries().map((e) => e.duration))).observe({ type: "longtask", buffered: true });
});

const quick = async (page, name) => {
  const longest = await page.evaluate(() => Math.max(0, ...window.tasks));
  assert.ok(longest <= frozen, name + ": a task of " + longest + " ms");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, name + " is " + wide + " pixels too wide");
};

// walk opens all pages of a list with the keyboard, and returns the addresses of its rows.
async function walk(page, rows) {
  const all = [];
  for (let from = 0; ;) {
    await page.locator(rows).first().waitFor();
    const here = await page.locator(rows).evaluateAll((links) => links.map((a) => a.getAttribute("href")));
    const said = await page.locator(".pages .count").textContent();
    const next = page.locator(".pages a", { hasText: "Next page" });
    const more = (await next.count()) > 0;
    assert.equal(said, (from + 1).toLocaleString("en-US") + "–" + (from + here.length).toLocaleString("en-US"));
    all.push(...here);
    if (!more) return all;
    from += here.length;
    await next.focus();
    await page.keyboard.press("Enter");
    await page.locator(".pages .count", { hasText: new RegExp("^" + (from + 1).toLocaleString("en-US") + "–") }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    assert.equal(await page.evaluate(() => scrollY), 0);
  }
}

for (const width of [1440, 390]) {
  test("all videos are there, page by page, at " + width, async () => {
    const { page, done } = await visit("#/videos", { width, prepare: slow, expected: /404/ }); // pictures
    const all = await walk(page, ".tile");
    assert.equal(all.length, many + 3);
    assert.equal(new Set(all).size, all.length);
    await quick(page, "videos");
    await page.goBack();
    await page.locator(".pages a", { hasText: "Previous page" }).click();
    await page.locator(".pages .count", { hasText: "841–900" }).waitFor();
    await page.reload();
    await page.locator(".pages .count", { hasText: "841–900" }).waitFor();
    assert.equal(await page.locator("main b").count(), 0, "names stay text");
    await done();
  });

  test("all jobs are there, page by page, at " + width, async () => {
    const { page, done } = await visit("#/jobs?state=completed", { width, prepare: slow });
    const all = await walk(page, "tbody a");
    assert.equal(all.length, many + 1);
    assert.equal(new Set(all).size, all.length);
    await quick(page, "jobs");
    await page.locator(".pages a", { hasText: "Previous page" }).click();
    await page.locator(".pages .count", { hasText: "951–1,000" }).waitFor();
    await page.locator(".pages a", { hasText: "Previous page" }).click();
    await page.locator(".pages .count", { hasText: "901–950" }).waitFor();
    await done();
  });
}

test("a list of jobs is asked for as one, whatever its length", async () => {
  const asked = [];
  const { page, done } = await visit("#/jobs", { prepare: async (p) => {
    await p.clock.install();
    p.on("request", (r) => asked.push(new URL(r.url()).pathname));
  } });
  await page.locator("tbody a").first().waitFor();
  asked.length = 0;
  for (let tick = 1; tick <= 3; tick++) {
    const answered = page.waitForResponse((r) => new URL(r.url()).pathname === "/jobs");
    await page.clock.runFor(5000);
    await (await answered).finished();
    assert.deepEqual(asked, Array(tick).fill("/jobs"));
  }
  await done();
});

test("500 versions, and the words of hours, do not freeze", async () => {
  const prepare = async (page) => {
    await slow(page);
    const one = (make, i) => ({ ...make(1, "active"), name: "name" + i });
    await answer(page, "/adapters", { adapters: Array.from({ length: 500 }, (_, i) => one(published.adapter, i)), more: true });
    await answer(page, "/programs", { programs: Array.from({ length: 500 }, (_, i) => one(published.program, i)), more: true });
    await page.route((u) => /^\/videos\/[0-9a-f]{64}$/.test(u.pathname), async (r) => {
      const json = await (await r.fetch()).json();
      return r.fulfill({ json: { ...json, name: names[0], speech: Array.from({ length: 5000 }, (_, i) => ({ start_ms: i * 2000, end_ms: i * 2000 + 1900, text: "Words " + i })) } });
    });
  };
  const { videos } = await (await fetch(stack.base + "/search?q=harbour")).json();
  for (const width of [1440, 390]) {
    for (const [view, row, shown] of [["adapters", "tbody tr", 500], ["programs", ".group", 20], ["videos/" + videos[0].video, ".speech li", 200]]) {
      const { page, done } = await visit("#/" + view, { width, prepare });
      await page.locator(row).first().waitFor();
      assert.equal(await page.locator(row).count(), shown, view);
      if (shown < 500) {
        await page.locator("button", { hasText: /^Show .* more of/ }).focus();
        await page.keyboard.press("Enter");
        assert.equal(await page.locator(row).count(), 2 * shown, view);
        assert.ok(await page.locator(row).nth(shown).evaluate((e) => e.contains(document.activeElement)), "the focus is at the first new one");
      }
      await settled(page);
      await quick(page, view);
      await done();
    }
  }
});
