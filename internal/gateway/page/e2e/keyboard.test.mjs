// The page without a mouse.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, published, settled, stack, views, visit } from "./browser.mjs";

// active says what has the focus.
const active = (page) => page.evaluate(() => { const e = document.activeElement; return e.id || e.getAttribute("aria-label") || e.textContent; });

const versions = async (page) => {
  await answer(page, "/adapters", { adapters: [published.adapter(2, "inactive"), published.adapter(1, "active")] });
  await answer(page, "/programs", { programs: [published.program(2, "canary", { share: 10 }), published.program(1, "active")] });
  await answer(page, "/budgets", { changeable: true, budgets: [{ tenant: "default", period: "month", kind: "hard", limit_usd: 50, spent_usd: 1, reserved_usd: 0, left_usd: 49, state: "ok", period_end: "2026-12-01T00:00:00Z" }] });
};

test("Tab reaches every control of every view in its order, and shows where it is", async () => {
  for (const width of [1440, 390]) {
    for (const view of await views()) {
      const { page, done } = await visit("#/" + view, { width, prepare: versions });
      await settled(page);
      const name = view + " at " + width;
      const count = await page.evaluate(() => {
        const all = "a[href], button, input:not([type=hidden]), select, summary, video, [tabindex='0']";
        window.controls = [...document.querySelectorAll(all)].filter((e) => e.tabIndex >= 0 && !e.disabled && e.checkVisibility());
        document.activeElement.blur();
        document.body.tabIndex = -1;
        document.body.focus(); // Tab begins at the top
        document.body.removeAttribute("tabindex");
        return window.controls.length;
      });
      const order = [];
      for (let i = 0; i < count + 20 && order.length < count; i++) { // a player has controls of its own
        await page.keyboard.press("Tab");
        const at = await page.evaluate(() => {
          const e = document.activeElement;
          const box = e.type === "file" ? e.parentElement : e; // its label is what is seen
          const style = getComputedStyle(box);
          const r = box.getBoundingClientRect();
          const seen = style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2;
          const inside = r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth;
          let clipped = "";
          for (let p = box.parentElement; p && p !== document.body; p = p.parentElement) {
            const q = p.getBoundingClientRect();
            const reach = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
            if (getComputedStyle(p).overflowY === "hidden" && (r.top - reach < q.top || r.bottom + reach > q.bottom)) clipped = p.className;
          }
          return { i: window.controls.indexOf(e), what: e.outerHTML.slice(0, 120), seen, inside, clipped };
        });
        if (at.i < 0 || at.i === order.at(-1)) continue;
        assert.ok(at.seen && at.inside && !at.clipped, name + ": the focus is not seen: " + JSON.stringify(at));
        order.push(at.i);
      }
      assert.deepEqual(order, Array.from({ length: count }, (_, i) => i), name);
      await done();
    }
  }
});

test("a hit is played, and the sections are skipped", async () => {
  const { page, done } = await visit("#/search");
  await page.keyboard.type("harbour");
  await page.locator(".hit").first().waitFor();
  await page.evaluate(() => addEventListener("seeked", () => { window.sought = true; }, true));
  while (!(await page.evaluate(() => document.activeElement.matches(".hit")))) await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await page.waitForFunction(() => window.sought);
  assert.ok(await page.evaluate(() => document.activeElement.matches(".hit[aria-pressed=true]")), "the focus stays at the hit");
  const at = page.url();
  await page.locator(".skip").focus();
  await page.keyboard.press("Enter");
  assert.equal(await active(page), "main");
  assert.equal(page.url(), at, "a reload shows the same view");
  await page.keyboard.press("Tab");
  assert.equal(await active(page), "q");
  await done();
});

test("the focus moves to a new view, and stays at a choice within one", async () => {
  const { page, done } = await visit("#/search");
  await settled(page);
  await page.locator("#nav a", { hasText: "Jobs" }).focus();
  await page.keyboard.press("Enter");
  await page.locator("#state").waitFor();
  assert.equal(await active(page), "main");
  await page.keyboard.press("Tab");
  assert.equal(await active(page), "state");
  await page.keyboard.press("r"); // running
  await page.locator(".empty", { hasText: "No job is running" }).waitFor();
  assert.equal(await active(page), "state");
  await page.goBack();
  await page.locator("tbody a").first().waitFor();
  await page.goto(stack.base + "/#/costs");
  await page.locator("#by").focus();
  await page.keyboard.press("D"); // day
  await page.waitForURL(/by=day/);
  assert.equal(await active(page), "by");
  await done();
});

test("a version is activated; its question keeps the focus, and gives it back", async () => {
  const { page, done } = await visit("#/adapters", { prepare: versions });
  let asked = null;
  await page.route("**/adapters/judge/2/activate", (r) => {
    asked = r.request().postDataJSON();
    return r.fulfill({ json: { role: "judge", history: [] } });
  });
  await page.getByLabel("Roll back judge@1").focus();
  await page.keyboard.press("Enter");
  await page.locator("dialog").waitFor();
  for (let i = 0; i < 6; i++) { // from the last control the focus leaves for the window of the browser, never for the page below
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest("dialog") !== null));
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal(await active(page), "Roll back judge@1");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Shift+Tab");
  assert.equal(await active(page), "Activate judge@2");
  await answer(page, "/adapters", { adapters: [published.adapter(2, "active"), published.adapter(1, "deprecated")] });
  await page.keyboard.press("Space");
  await page.getByLabel("Deactivate judge@2").waitFor();
  await page.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "Deactivate judge@2");
  assert.deepEqual(asked, { force: false });
  await done();
});

test("a budget is set and cleared", async () => {
  const { page, done } = await visit("#/budgets");
  await page.locator("#usd").focus();
  await page.keyboard.type("12.5");
  await page.keyboard.press("Tab");
  await page.keyboard.press("d"); // day
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const clear = page.getByLabel("Clear the budget of $12.50 a day");
  await clear.waitFor();
  await page.waitForFunction(() => document.activeElement.id === "model"); // the field where Enter was pressed
  assert.equal((await (await fetch(stack.base + "/budgets")).json()).budgets[0].limit_usd, 12.5);
  await clear.focus();
  await page.keyboard.press("Enter");
  await page.locator("dialog").waitFor();
  await page.keyboard.press("Enter"); // Yes
  await page.locator(".empty").waitFor();
  await page.waitForFunction(() => document.activeElement.id === "main"); // its button is gone
  await done();
});

test("the question for a key is left with Escape, and asked again", async () => {
  const { page, done } = await visit("#/pools", { expected: /401/, prepare: (p) => p.route("**/pools", (r) => r.fulfill({ status: 401, json: { error: { message: "a key is required", code: "invalid_api_key" } } })) });
  await page.locator("#key").waitFor();
  assert.equal(await active(page), "key");
  await page.keyboard.press("Escape");
  const again = page.locator(".failure button", { hasText: "Enter a key" });
  await again.focus();
  await page.keyboard.press("Enter");
  await page.locator("#key").waitFor();
  await page.unroute("**/pools");
  await page.keyboard.type("cgf_any");
  await page.keyboard.press("Enter");
  await page.locator("tbody tr").first().waitFor();
  await done();
});
