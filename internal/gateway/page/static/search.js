// Search as you type. Hits are listed by video, marked on its time line, and played there.
import { h, place, say, clock, chip, marked, skeleton, empty, failure } from "/page/ui.js";
import { ask, query } from "/page/api.js";
import { player, thumbnail, timeline, frame } from "/page/player.js";

const pause = 250; // ms without a key press before a search begins
const fields = { caption: "caption", on_screen_text: "text on screen", transcript: "speech", name: "file name" };
const kinds = [["", "Everything"], ["frame", "Pictures"], ["speech", "Speech in videos"], ["audio", "Sound files"]];
const ranks = [["", "Words and meaning"], ["bm25", "Words only"], ["vector", "Meaning only"]];

export default function search(main, route) {
  const now = { q: route.query.get("q") ?? "", kind: route.query.get("kind") ?? "", rank: route.query.get("rank") ?? "", profile: route.query.get("profile") ?? "" };
  const fresh = main.dataset.view !== "search";
  if (fresh) build(main);
  const form = main.querySelector("form");
  for (const [name, value] of Object.entries(now)) { // not under the hands of a person who types
    const field = form.elements[name];
    if (fresh || document.activeElement !== field) field.value = value;
  }
  main.querySelector("#clear").hidden = now.q === "";
  return run(main.querySelector("#found"), now, route);
}

function build(main) {
  main.dataset.view = "search";
  let timer = 0;
  const go = (replace) => {
    clearTimeout(timer);
    const values = Object.fromEntries(new FormData(form));
    const to = "#/search" + query(values);
    if (to === location.hash) return;
    if (replace) {
      history.replaceState(null, "", to);
      dispatchEvent(new HashChangeEvent("hashchange"));
    } else location.hash = to;
  };
  const choice = (name, label, all) => h("label", { class: "choice" }, label, h("select", { name, change: () => go(true) }, all.map(([value, text]) => h("option", { value }, text))));
  const input = h("input", {
    type: "search", id: "q", name: "q", placeholder: "A red car on a bridge", autocomplete: "off", spellcheck: "false", "aria-label": "Search for words",
    input: () => { clearTimeout(timer); timer = setTimeout(() => go(true), pause); },
  });
  const form = h("form", { role: "search", class: "search", submit: (e) => { e.preventDefault(); go(false); } },
    h("div", { class: "field" }, input, h("kbd", { "aria-hidden": "true" }, "/"),
      h("button", { type: "button", id: "clear", class: "plain", hidden: true, click: () => { input.value = ""; go(true); input.focus(); } }, "Clear")),
    h("div", { class: "choices" }, choice("kind", "Find in", kinds), choice("rank", "Rank by", ranks),
      h("label", { class: "choice" }, "Profile", h("input", { name: "profile", type: "text", placeholder: "active one", size: "12", change: () => go(true) }))));
  place(main, h("h1", { class: "visually-hidden" }, "Search"), form, h("div", { id: "found" }));
  input.focus({ preventScroll: true });
}

async function run(box, now, route) {
  if (now.q.trim() === "") {
    place(box, empty("Type what you want to see or hear. Captions, text on screen, speech and meaning are searched.", "cogflow ingest ~/Videos"));
    return;
  }
  box.setAttribute("aria-busy", "true");
  if (!box.querySelector(".group")) place(box, skeleton("groups", 2));
  try {
    const found = await ask("/search" + query({ q: now.q, kind: now.kind, rank: now.rank, profile: now.profile, limit: 60, per_video: 12 }), { signal: route.signal });
    const hits = found.videos.reduce((n, v) => n + v.hits.length, 0);
    say(hits + " hits in " + found.videos.length + " videos");
    if (hits === 0) place(box, empty("Nothing found for “" + now.q + "”. Try other words, or see what was ingested under Videos.", "cogflow videos list"));
    else {
      place(box,
        h("p", { class: "quiet count" }, hits + (hits === 1 ? " hit in " : " hits in ") + found.videos.length + (found.videos.length === 1 ? " video" : " videos") + ", profile " + (found.searched?.profile ?? "–")),
        found.videos.map((v) => group(v, now, found.searched?.profile, route)));
    }
  } catch (e) {
    if (e.name === "AbortError") return; // a later search runs
    place(box, failure(e, route.again));
  } finally {
    if (!route.signal.aborted) box.removeAttribute("aria-busy");
  }
}

const words = (hit) => (hit.kind === "frame" ? hit.caption : hit.transcript) || hit.caption || "";

// group is one video with its hits.
function group(v, now, profile, route) {
  const line = h("div", { class: "line" }, skeleton("bar", 1));
  const stage = h("div", { class: "stage", hidden: true });
  let screen = null;
  let marks = null;
  const buttons = new Map();
  const choose = (hit) => {
    stage.hidden = false;
    card.classList.add("playing");
    screen ??= (() => {
      const p = player(v.video, v.name, (ms) => marks?.at(ms));
      place(stage, p.element);
      return p;
    })();
    screen.at(hit.start_ms);
    marks?.choose(hit);
    for (const [h, b] of buttons) b.setAttribute("aria-pressed", String(h === hit));
    say("Playing at " + clock(hit.start_ms));
    stage.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  ask("/videos/" + v.video + query({ frames: 0, profile }), { signal: route.signal }).then((about) => {
    const last = Math.max(...v.hits.map((x) => x.end_ms), 1);
    marks = timeline(Math.max(about.duration_ms, last), v.hits.map((x) => Object.assign(x, { text: words(x), weak: !(x.matched ?? []).length })), choose);
    place(line, marks.element);
  }).catch((e) => { if (e.name !== "AbortError") place(line, h("p", { class: "note" }, e.message)); });
  const items = v.hits.map((hit) => {
    const b = h("button", { type: "button", class: "hit", "aria-pressed": "false", click: () => choose(hit) },
      hit.frame_key ? thumbnail(frame(v.video, frameOf(hit), profile)) : h("span", { class: "thumb sound", "aria-hidden": "true" }, "♪"),
      h("span", { class: "about" },
        h("span", { class: "times" }, h("span", {}, h("b", {}, clock(hit.start_ms)), "–" + clock(hit.end_ms)),
          (hit.matched ?? []).map((m) => chip(fields[m] ?? m)), (hit.matched ?? []).length === 0 && chip("meaning"), hit.preview && chip("preview caption", "soft")),
        h("span", { class: "words" }, hit.kind === "frame" ? marked(words(hit), now.q) : ["“", marked(words(hit), now.q), "”"]),
        hit.on_screen_text && !words(hit).includes(hit.on_screen_text) && h("span", { class: "words quiet" }, "On screen: ", marked(hit.on_screen_text, now.q))));
    buttons.set(hit, b);
    return h("li", {}, b);
  });
  const card = h("section", { class: "card group", "aria-label": v.name },
    h("h2", {}, h("a", { href: "#/videos/" + v.video + query({ profile }) }, v.name)), line, stage, h("ol", { class: "hits" }, items));
  return card;
}

// frameOf is the time of the frame of a hit: of speech it is that of the frame which is shown then.
function frameOf(hit) {
  const ms = /(\d+)\.jpg$/.exec(hit.frame_key);
  return ms ? ms[1] : hit.pts_ms;
}
