// Search as you type, by words and by an example: a picture, or a hit of an earlier search.
import { h, place, say, skeleton, empty, failure } from "/page/ui.js";
import { ask, query, upload } from "/page/api.js";
import { thumbnail, frame } from "/page/player.js";
import { tiles } from "/page/videos.js";
import { group, frameOf } from "/page/hits.js";

const pause = 250; // ms without a key press before a search begins
const kinds = [["", "Everything"], ["frame", "Pictures"], ["speech", "Speech in videos"], ["audio", "Sound files"]];
const ranks = [["", "Words and meaning"], ["bm25", "Words only"], ["vector", "Meaning only"]];
const names = ["q", "kind", "rank", "profile", "image", "like"];
const examples = new Map(); // what this tab knows of examples, by image or like: the element that shows one

export default function search(main, route) {
  const now = Object.fromEntries(names.map((name) => [name, route.query.get(name) ?? ""]));
  const fresh = main.dataset.view !== "search";
  if (fresh) build(main);
  const form = main.querySelector("form");
  for (const [name, value] of Object.entries(now)) { // not under the hands of a person who types
    const field = form.elements[name];
    if (fresh || document.activeElement !== field) field.value = value;
  }
  main.querySelector("#clear").hidden = now.q === "";
  const example = now.image || now.like;
  form.elements.rank.disabled = example !== "";
  place(main.querySelector("#example"), example && shown(example, form));
  return run(main.querySelector("#found"), now, route);
}

// shown is the example, with a way to remove it.
function shown(example, form) {
  const remove = () => {
    form.elements.image.value = form.elements.like.value = "";
    form.elements.q.focus();
    form.requestSubmit();
  };
  return h("p", { class: "example" }, examples.get(example)?.() ?? "", h("span", {}, form.elements.image.value ? "Like this picture" : "Like this hit"),
    h("button", { type: "button", class: "plain", click: remove }, "Remove example"));
}

function build(main) {
  main.dataset.view = "search";
  let timer = 0;
  const go = (replace) => {
    clearTimeout(timer);
    const to = "#/search" + query(Object.fromEntries(names.map((name) => [name, form.elements[name].value])));
    if (to === location.hash) return;
    if (replace) {
      history.replaceState(null, "", to);
      dispatchEvent(new HashChangeEvent("hashchange"));
    } else location.hash = to;
  };
  const choice = (name, label, all) => h("label", { class: "choice" }, label, h("select", { name, change: () => go(true) }, all.map(([value, text]) => h("option", { value }, text))));
  const input = h("input", {
    type: "search", id: "q", name: "q", placeholder: "A red car on a bridge", autocomplete: "off", spellcheck: "false", "aria-label": "Search for words", dir: "auto",
    input: () => { clearTimeout(timer); timer = setTimeout(() => go(true), pause); },
  });
  // take searches by a picture that a person has chosen, dropped or pasted.
  const take = async (file) => {
    if (!file) return;
    say("Reading the picture");
    const found = main.querySelector("#found");
    place(found, skeleton("groups", 2));
    try {
      const { image } = await upload("/search/examples", file);
      const picture = URL.createObjectURL(file);
      examples.set(image, () => h("img", { src: picture, alt: "", height: 44 }));
      form.elements.image.value = image;
      form.elements.like.value = "";
      go(false);
      if (new URLSearchParams(location.hash.split("?")[1]).get("image") === image) dispatchEvent(new HashChangeEvent("hashchange")); // the same picture again
    } catch (e) {
      place(found, failure(e));
    }
  };
  const file = h("input", { type: "file", class: "visually-hidden", accept: "image/jpeg,image/png,image/webp", "aria-label": "Search by a picture", change: (e) => { take(e.target.files[0]); e.target.value = ""; } });
  const form = h("form", {
    role: "search", class: "search", submit: (e) => { e.preventDefault(); go(false); },
    dragover: (e) => { e.preventDefault(); form.classList.add("dropping"); },
    dragleave: () => form.classList.remove("dropping"),
    drop: (e) => { e.preventDefault(); form.classList.remove("dropping"); take(e.dataTransfer.files[0]); },
    paste: (e) => { if (e.clipboardData.files[0]) { e.preventDefault(); take(e.clipboardData.files[0]); } },
  },
  h("div", { class: "field" }, input, h("kbd", { "aria-hidden": "true" }, "/"),
    h("button", { type: "button", id: "clear", class: "plain", hidden: true, click: () => { input.value = ""; go(true); input.focus(); } }, "Clear"),
    h("label", { class: "button file" }, file, "Picture")),
  h("div", { id: "example" }),
  h("div", { class: "choices" }, choice("kind", "Find in", kinds), choice("rank", "Rank by", ranks),
    h("label", { class: "choice" }, "Profile", h("input", { name: "profile", type: "text", placeholder: "active one", size: "12", change: () => go(true) }))),
  ["image", "like"].map((name) => h("input", { type: "hidden", name })));
  place(main, h("h1", { class: "visually-hidden" }, "Search"), form, h("div", { id: "found" }));
  input.focus({ preventScroll: true });
}

async function run(box, now, route) {
  const example = now.image || now.like;
  box.setAttribute("aria-busy", "true");
  try {
    if (now.q.trim() === "" && !example) return await begin(box, route);
    if (!box.querySelector(".group")) place(box, skeleton("groups", 2));
    const rank = example ? "" : now.rank; // an example decides itself
    const found = await ask("/search" + query({ ...now, rank, limit: 60, per_video: 12 }), { signal: route.signal });
    results(box, found, now);
  } catch (e) {
    if (e.name === "AbortError") return; // a later search runs
    place(box, failure(e, route.again));
  } finally {
    if (!route.signal.aborted) box.removeAttribute("aria-busy");
  }
}

// begin is what is there before a search: the videos that can be found.
async function begin(box, route) {
  const { videos } = await ask("/videos" + query({ limit: 8 }), { signal: route.signal });
  if (videos.length === 0) {
    place(box, empty("Nothing was ingested yet. Ingest videos, then type what you want to see or hear.", "cogflow ingest ~/Videos"));
    return;
  }
  place(box, h("p", { class: "quiet hint" }, "Captions, text on screen, speech and meaning are searched. Drop a picture above to find what looks like it."),
    h("h2", {}, "Videos"), tiles(videos), h("p", { class: "pages" }, h("a", { href: "#/videos" }, "All videos →")));
}

function results(box, found, now) {
  const hits = found.videos.reduce((n, v) => n + v.hits.length, 0);
  const profile = found.searched?.profile;
  const count = (n, one, many) => n + " " + (n === 1 ? one : many);
  const text = count(hits, "hit", "hits") + " in " + count(found.videos.length, "video", "videos");
  say(text);
  if (hits === 0) {
    place(box, empty((now.q ? "Nothing found for “" + now.q + "”. " : "Nothing found. ") + "Try other words, or see what was ingested under Videos."));
    return;
  }
  // A search by a hit shows the frame of that hit.
  const like = (v, hit) => {
    if (hit.frame_key) examples.set(hit.id, () => thumbnail(frame(v.video, frameOf(hit), profile)));
    location.hash = "#/search" + query({ kind: now.kind, profile: now.profile, like: hit.id });
  };
  place(box, h("p", { class: "quiet count" }, text + (profile ? ", profile " + profile : "")), found.videos.map((v) => group(v, now.q, profile, like)));
}
