// The frame of the page: sections, the key, and which view is shown.
import { h, place, failure } from "/page/ui.js";
import { key, onKeyRequired, onReached, Refused } from "/page/api.js";
import { keep, skip } from "/page/focus.js";
import { withKey } from "/page/player.js";
import search from "/page/search.js";
import { list as videos, one as video } from "/page/videos.js";
import { list as jobs, one as job } from "/page/jobs.js";
import { adapters, programs } from "/page/versions.js";
import { pools, models } from "/page/serving.js";
import { costs, budgets } from "/page/money.js";

const sections = [
  { path: "search", name: "Search", view: search },
  { path: "videos", name: "Videos", view: (main, route) => (route.parts[1] ? video : videos)(main, route) },
  { path: "jobs", name: "Jobs", view: (main, route) => (route.parts[1] ? job : jobs)(main, route) },
  { path: "adapters", name: "Adapters", view: adapters },
  { path: "programs", name: "Programs", view: programs },
  { path: "pools", name: "Pools", view: pools },
  { path: "models", name: "Models", view: models },
  { path: "costs", name: "Costs", view: costs },
  { path: "budgets", name: "Budgets", view: budgets },
];

// route reads the address: #/videos/ID?profile=x
function route() {
  const [path, text = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { parts: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(text) };
}

// decoded is a part of the address. One that a person has cut off stays as it is.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

let leave = () => {};
let shown = "";

async function render() {
  const at = route();
  const section = sections.find((s) => s.path === at.parts[0]) ?? sections[0];
  const name = [section.path, ...at.parts.slice(1), at.query.get("cursor"), at.query.get("offset")].join("/"); // another page of rows is another view
  for (const link of document.querySelectorAll("#nav a")) {
    link.removeAttribute("aria-current");
    if (link.dataset.path !== section.path) continue;
    link.setAttribute("aria-current", "page");
    link.parentElement.scrollLeft = link.offsetLeft - (link.parentElement.clientWidth - link.offsetWidth) / 2;
  }
  leave();
  const gone = new AbortController();
  leave = () => gone.abort();
  const main = document.getElementById("main");
  document.title = section.name + " · cogflow";
  away.hidden ||= away.dataset.reached === "true";
  const same = name === shown;
  if (!same) {
    scrollTo(0, 0);
    if (shown) main.focus({ preventScroll: true });
  }
  shown = name;
  const kept = keep(main);
  const y = scrollY;
  try {
    const done = section.view(main, { ...at, signal: gone.signal, again: render });
    kept(); // of what is shown at once, such as a choice that was made
    await done;
  } catch (e) {
    if (e.name === "AbortError" || gone.signal.aborted) return;
    place(main, failure(e, render), at.parts.length > 1 && section.path === at.parts[0] && h("p", { class: "pages" }, h("a", { href: "#/" + section.path }, "All " + section.name.toLowerCase())));
  }
  if (gone.signal.aborted) return;
  kept(main);
  if (same) scrollTo(0, y);
}

// who shows whether a key is in use.
function who() {
  place(document.getElementById("who"), key.get() && h("button", {
    type: "button", class: "plain", click: () => { key.clear(); location.reload(); },
  }, "Forget key"));
}

// A gateway that goes away leaves what is shown, and says so.
const away = h("p", { class: "away", role: "alert", hidden: true });
document.querySelector("header").after(away);
const old = (why) => {
  away.textContent = why + " What you see may be old.";
  away.hidden = false;
};
onReached((answers) => {
  away.dataset.reached = answers;
  if (answers) away.hidden = true;
  else old("The gateway does not answer.");
});
addEventListener("stale", (e) => old(e.detail));
addEventListener("replaced", () => { away.hidden = true; }); // nothing old is shown
skip(document.querySelector(".skip"), document.getElementById("main"));

let asking = null;
onKeyRequired((wrong) => {
  asking ??= new Promise((resolve, reject) => {
    const input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true, placeholder: "cgf_…" });
    const form = h("form", { method: "dialog", submit: (e) => {
      e.preventDefault();
      key.set(input.value.trim());
      dialog.close("key");
    } },
    h("h2", { id: "key-title" }, "Key required"),
    h("p", {}, wrong ? "The key is unknown, expired or revoked." : "This gateway needs a key. It stays in this tab and is gone when the tab is closed."),
    h("label", { for: "key" }, "Key"), input,
    h("p", { class: "quiet" }, "An operator makes one: ", h("code", {}, "cogflow keys create --tenant TENANT")),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Continue"), h("button", { type: "button", click: () => dialog.close() }, "Cancel")));
    const dialog = h("dialog", { "aria-labelledby": "key-title", close: () => {
      dialog.remove();
      asking = null;
      who();
      if (dialog.returnValue !== "key") return reject(new Refused(401, "A key is required to see this."));
      withKey();
      return resolve();
    } }, form);
    document.body.append(dialog);
    if (wrong) key.clear();
    dialog.showModal();
    input.focus();
  });
  return asking;
});

place(document.getElementById("nav"), sections.map((s) => h("a", { href: "#/" + s.path, dataset: { path: s.path } }, s.name)));
addEventListener("hashchange", render);
addEventListener("keydown", (e) => {
  if (e.key !== "/" || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName) || document.querySelector("dialog[open]")) return;
  e.preventDefault();
  if (shown.startsWith("search")) document.getElementById("q")?.focus();
  else location.hash = "#/search";
});
who();
withKey();
render();
