// What was found in one video: its hits, marked on the time line, and played there.
import { h, place, say, clock, chip, marked, skeleton, whenSeen } from "/page/ui.js";
import { ask, query } from "/page/api.js";
import { player, thumbnail, timeline, frame } from "/page/player.js";

const fields = { caption: "caption", on_screen_text: "text on screen", transcript: "speech", name: "file name" };

const words = (hit) => (hit.kind === "frame" ? hit.caption : hit.transcript) || hit.caption || "";

// frameOf is the time of the frame of a hit: of speech it is that of the frame which is shown then.
export function frameOf(hit) {
  const ms = /(\d+)\.jpg$/.exec(hit.frame_key);
  return ms ? ms[1] : hit.pts_ms;
}

// group is one video with its hits. like is called with a hit to search by.
export function group(v, q, profile, like) {
  const line = h("div", { class: "line" }, skeleton("bar", 1));
  const stage = h("div", { class: "stage", hidden: true });
  const buttons = new Map();
  let screen = null;
  let marks = null;
  const choose = (hit) => {
    stage.hidden = false;
    card.classList.add("playing");
    if (!screen) {
      screen = player(v.video, v.name, (ms) => marks?.at(ms));
      place(stage, screen.element);
    }
    screen.at(hit.start_ms);
    marks?.choose(hit);
    for (const [one, b] of buttons) b.setAttribute("aria-pressed", String(one === hit));
    say("Playing at " + clock(hit.start_ms));
    stage.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  const items = v.hits.map((hit) => {
    const b = button(hit, q, () => choose(hit), hit.frame_key ? thumbnail(frame(v.video, frameOf(hit), profile)) : h("span", { class: "thumb sound", "aria-hidden": "true" }, "♪"));
    buttons.set(hit, b);
    return h("li", {}, b, hit.id && h("button", { type: "button", class: "plain like", "aria-label": "More like the hit at " + clock(hit.start_ms), title: "More like this", click: () => like(v, hit) }, "≈"));
  });
  const card = h("section", { class: "card group", "aria-label": v.name },
    h("h2", {}, h("a", { href: "#/videos/" + v.video + query({ profile }), dir: "auto" }, v.name), h("span", { class: "quiet" }, v.hits.length)), line, stage, h("ol", { class: "hits" }, items));
  whenSeen(card, async () => {
    try {
      const about = await ask("/videos/" + v.video + query({ frames: 0, profile }));
      const last = Math.max(...v.hits.map((x) => x.end_ms), 1);
      marks = timeline(Math.max(about.duration_ms, last), v.hits.map((x) => Object.assign(x, { text: words(x), weak: !(x.matched ?? []).some((f) => f !== "name") })), choose);
      place(line, marks.element);
      const chosen = v.hits.find((hit) => buttons.get(hit).getAttribute("aria-pressed") === "true");
      if (chosen) marks.choose(chosen);
    } catch (e) {
      place(line, h("p", { class: "note" }, e.message));
    }
  });
  return card;
}

// button is one hit: its picture, when it is, what it says, and why it was found.
function button(hit, q, click, picture) {
  const why = (hit.matched ?? []).map((m) => fields[m] ?? m);
  const said = words(hit);
  return h("button", { type: "button", class: "hit", "aria-pressed": "false", click }, picture,
    h("span", { class: "about" },
      h("span", { class: "times" }, h("span", {}, h("b", {}, clock(hit.start_ms)), "–" + clock(hit.end_ms)), hit.preview && chip("preview caption", "soft")),
      h("span", { class: "words", dir: "auto" }, hit.kind === "frame" ? marked(said, q) : ["“", marked(said, q), "”"]),
      hit.on_screen_text && !said.includes(hit.on_screen_text) && h("span", { class: "words quiet", dir: "auto" }, "On screen: ", marked(hit.on_screen_text, q)),
      h("span", { class: "why" }, "Found by " + (why.length ? why.join(", ") : "its meaning"))));
}
