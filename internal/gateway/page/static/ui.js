// What all views share: elements, formats and the small parts of the page. Text of users and models
// only ever becomes text nodes and attributes.
import { keep } from "/page/focus.js";

// h makes an element. Attributes that are functions are listeners; a value of false, null or
// undefined leaves the attribute out.
export function h(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") e.addEventListener(key, value);
    else if (key === "dataset") Object.assign(e.dataset, value);
    else e.setAttribute(key, value === true ? "" : String(value));
  }
  e.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

// place shows children in an element, and nothing else.
export function place(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

// refresh shows children in place of those that a person may be using: the focus, what is scrolled to the side and
// what is open stay as they were.
export function refresh(box, ...children) {
  const kept = keep(box);
  const parts = () => [...box.querySelectorAll(".scroll, details")];
  const before = parts().map((e) => [e.scrollLeft, e.open]);
  place(box, ...children);
  parts().forEach((e, i) => {
    e.scrollLeft = before[i]?.[0] ?? 0;
    if (e.tagName === "DETAILS") e.open = before[i]?.[1] ?? false;
  });
  kept(document.getElementById("main"));
}

// growing shows the first of many items, and a button for more of them. make returns the element of an item.
export function growing(list, items, make, part = 200) {
  const more = h("button", { type: "button", click: () => show() });
  let shown = 0;
  const show = () => {
    const fresh = items.slice(shown, shown + part).map(make);
    list.append(...fresh);
    const first = shown > 0 && fresh[0].querySelector("a[href], button, select, [tabindex]");
    shown += fresh.length;
    more.hidden = shown >= items.length;
    more.textContent = "Show " + number(Math.min(part, items.length - shown)) + " more of " + number(items.length);
    if (first) first.focus();
  };
  show();
  return [list, h("p", { class: "pages" }, more)];
}

// pages says which rows are shown, and leads to those before and after them.
export function pages(from, count, what, before, next) {
  const text = from === 0 && !next ? number(count) + " " + (count === 1 ? what : what + "s") : number(from + 1) + "–" + number(from + count);
  return h("nav", { class: "pages", "aria-label": "Pages" },
    before && h("a", { href: before }, "← Previous page"), h("span", { class: "quiet count" }, text), next && h("a", { href: next }, "Next page →"));
}

// whenSeen calls f once the element is, or nearly is, on the screen.
export function whenSeen(element, f) {
  const watch = new IntersectionObserver((all) => {
    if (!all.some((e) => e.isIntersecting)) return;
    watch.disconnect();
    f();
  }, { rootMargin: "600px" });
  watch.observe(element);
}

// say tells people who hear the page what has changed.
export function say(text) {
  document.getElementById("status").textContent = text;
}

const two = (n) => String(n).padStart(2, "0");

// clock is a time in a video: 1:02, 1:02:03.
export function clock(ms) {
  const s = Math.floor(ms / 1000);
  const hours = Math.floor(s / 3600);
  return (hours ? hours + ":" + two(Math.floor(s / 60) % 60) : String(Math.floor(s / 60))) + ":" + two(s % 60);
}

// span is a duration in words: 42 s, 3 min 20 s, 2 h 5 min.
export function span(seconds) {
  if (!(seconds >= 0)) return "–";
  if (seconds < 10) return seconds.toFixed(1).replace(/\.0$/, "") + " s";
  if (seconds < 60) return Math.round(seconds) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + Math.round(seconds % 60) + " s";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
  return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
}

export const number = (n) => Number(n ?? 0).toLocaleString("en-US");

export function bytes(n) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (n >= size) return (n / size).toFixed(1) + " " + unit;
  }
  return n + " B";
}

export const gib = (n) => (n / 2 ** 30).toFixed(1) + " GiB";

export function usd(n) {
  if (n > 0 && n < 0.0001) return "< $0.0001";
  return "$" + Number(n ?? 0).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: n > 0 && n < 1 ? 4 : 2 });
}

export const percent = (n) => Number(n).toFixed(1) + " %";

// when is a moment, as a <time> with the exact one in its title.
export function when(text) {
  const t = new Date(text);
  if (!text || Number.isNaN(t.getTime()) || t.getFullYear() < 2000) return "–";
  const short = t.toISOString().slice(0, 16).replace("T", " ");
  return h("time", { datetime: t.toISOString(), title: short + " UTC" }, ago(t));
}

function ago(t) {
  const s = (Date.now() - t.getTime()) / 1000;
  if (s < -60 || s > 30 * 86400) return t.toISOString().slice(0, 10);
  if (s < 60) return "just now";
  if (s < 3600) return Math.floor(s / 60) + " min ago";
  if (s < 86400) return Math.floor(s / 3600) + " h ago";
  return Math.floor(s / 86400) + " d ago";
}

// table is a real table. A column: name, of (row → content), right (numbers), head (names the row).
export function table(caption, columns, rows) {
  const cell = (c, row) => h(c.head ? "th" : "td", { scope: c.head ? "row" : null, class: c.right ? "right" : c.wide ? "wide" : null, "data-label": c.name }, c.actions ? h("span", { class: "actions" }, c.of(row)) : c.of(row));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("caption", { class: "visually-hidden" }, caption),
      h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col", class: c.right ? "right" : null }, c.name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((c) => cell(c, row)))))));
}

// skeleton has the size of what is loaded, so that nothing jumps.
export function skeleton(kind, count = 3) {
  return h("div", { class: "skeletons " + kind, "aria-hidden": "true" }, Array.from({ length: count }, () => h("div", { class: "skeleton" })));
}

// empty says what is not there, and the command that changes it.
export function empty(text, command) {
  return h("div", { class: "empty" }, h("p", {}, text), command && h("pre", { tabindex: "0" }, h("code", {}, command)));
}

// advice says what to do about an error, where its message cannot.
const advice = (e) => ({
  0: "Check that the gateway runs and that this device has a network.",
  403: "Use another key, or ask an operator for one that may do this.",
  429: "There were too many requests, or a budget is spent.",
  500: "If it fails again, give the request to an operator.",
}[e.status > 500 ? 500 : e.status] ?? "") + (e.after ? " Try again in " + span(e.after) + "." : "");

// failure shows an error of the API, and what to do about it. One that can be tried again takes the place of a view.
export function failure(error, again) {
  if (again) dispatchEvent(new Event("replaced"));
  const text = advice(error).trim();
  return h("div", { class: "failure", role: "alert" },
    h("p", { dir: "auto" }, error.message),
    text && h("p", {}, text),
    error.request && h("p", { class: "quiet" }, "Request " + error.request),
    again && h("button", { type: "button", click: () => again() }, error.status === 401 ? "Enter a key" : "Try again"));
}

// bar shows a part of a whole, 0 to 1. One of a limit warns before the limit is reached.
export function bar(part, limit = false) {
  const inner = h("span", {});
  inner.style.width = 100 * Math.min(1, Math.max(0, part)) + "%";
  return h("span", { class: limit && part > 0.9 ? "share full" : "share", "aria-hidden": "true" }, inner);
}

// numbers are the large figures of a view: pairs of a name and a text.
export function numbers(pairs) {
  return h("dl", { class: "totals" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export function chip(text, kind = "") {
  return h("span", { class: "chip " + kind }, text);
}

// marked is a text in which the words of a query are marked.
export function marked(text, query) {
  const words = query.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length === 0) return [text];
  const out = [];
  let at = 0;
  for (const found of text.matchAll(/[\p{L}\p{N}]+/gu)) {
    const word = found[0].toLowerCase();
    if (!words.some((w) => word === w || (w.length > 3 && word.startsWith(w.replace(/(s|es|ing|ed)$/, ""))))) continue;
    out.push(text.slice(at, found.index), h("mark", {}, found[0]));
    at = found.index + found[0].length;
  }
  out.push(text.slice(at));
  return out;
}

// heading is the title of a view with what can be done in it.
export function heading(title, text, ...actions) {
  return h("div", { class: "heading" }, h("div", {}, h("h1", { dir: "auto" }, title), text && h("p", { class: "quiet" }, text)), h("div", { class: "actions" }, actions));
}
