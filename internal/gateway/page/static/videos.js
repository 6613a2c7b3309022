// The videos that search can find, and one of them with its contact sheet and its words by time.
import { h, place, clock, bytes, number, heading, skeleton, empty, say, pages, growing } from "/page/ui.js";
import { ask, query } from "/page/api.js";
import { player, thumbnail, timeline, frame } from "/page/player.js";

const page = 60; // videos shown at once

// tiles are videos with their pictures.
export function tiles(videos) {
  return h("ul", { class: "tiles" }, videos.map((v) => h("li", {}, h("a", { class: "tile", href: "#/videos/" + v.video + query({ profile: v.profile }) },
    h("span", { class: "poster" }, thumbnail("/videos/" + v.video + "/poster.jpg" + query({ profile: v.profile })), v.duration_ms > 0 && h("span", { class: "length" }, clock(v.duration_ms))),
    h("span", { class: "name", dir: "auto" }, v.name),
    h("span", { class: "quiet" }, v.profile + " · " + number(v.documents) + (v.documents === 1 ? " document" : " documents"))))));
}

export async function list(main, route) {
  main.dataset.view = "videos";
  const offset = Math.max(0, Number.parseInt(route.query.get("offset"), 10) || 0);
  const box = h("div", {}, skeleton("tiles", 8));
  place(main, heading("Videos", "What search can find. A video is here once for each profile."), box);
  const found = await ask("/videos" + query({ limit: page + 1, offset: offset || "" }), { signal: route.signal }); // one more says whether there is a next page
  const videos = found.videos.slice(0, page);
  const at = (n) => "#/videos" + query({ offset: n || "" });
  if (videos.length === 0) {
    place(box, empty(offset ? "There are no more videos." : "Nothing was ingested yet.", offset ? null : "cogflow ingest ~/Videos"),
      offset > 0 && h("p", { class: "pages" }, h("a", { href: at(0) }, "← First page")));
    return;
  }
  const next = found.videos.length > page;
  say(videos.length + (videos.length === 1 ? " video" : " videos"));
  place(box, tiles(videos), pages(offset, videos.length, "video", offset > 0 && at(Math.max(0, offset - page)), next && at(offset + page)));
}

export async function one(main, route) {
  main.dataset.view = "video";
  const id = route.parts[1];
  const profile = route.query.get("profile") ?? "";
  place(main, skeleton("tiles", 4));
  const v = await ask("/videos/" + encodeURIComponent(id) + query({ profile, frames: 24 }), { signal: route.signal });
  document.title = v.name + " · cogflow";
  const screen = player(v.video, v.name, (ms) => marks.at(ms));
  const jump = (m) => { screen.at(m.start_ms); marks.choose(m); say("Playing at " + clock(m.start_ms)); screen.element.scrollIntoView({ block: "nearest" }); };
  const moments = v.sheet.map((f) => ({ start_ms: f.start_ms, end_ms: f.end_ms, text: f.caption }));
  const marks = timeline(Math.max(v.duration_ms, 1), moments, jump);
  const facts = [
    ["Length", clock(v.duration_ms)],
    ["Picture", v.media.width ? v.media.width + " × " + v.media.height + ", " + v.media.video_codec : "none"],
    ["Sound", v.media.audio_codec || "none"],
    ["Size", bytes(v.bytes)],
    ["Frames", number(v.frames)],
    ["Documents", number(v.documents)],
    ["Source", v.uri],
    ["SHA-256", v.video],
  ];
  place(main,
    h("p", { class: "back" }, h("a", { href: "#/videos" }, "← Videos")),
    heading(v.name, null, v.profiles.length > 1 && h("nav", { "aria-label": "Profiles", class: "tabs" }, v.profiles.map((p) =>
      h("a", { href: "#/videos/" + v.video + query({ profile: p }), "aria-current": p === v.profile ? "page" : null }, p)))),
    h("div", { class: "split" },
      h("div", { class: "stage" }, screen.element, marks.element),
      h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)]))),
    h("h2", {}, "Contact sheet"),
    v.sheet.length === 0 ? empty("The video has no frames; it is sound only.") :
      h("ol", { class: "sheet" }, v.sheet.map((f, i) => h("li", {}, h("button", { type: "button", class: "cell", click: () => jump(moments[i]) },
        thumbnail(frame(v.video, f.pts_ms, v.profile)), h("span", { class: "times" }, clock(f.start_ms), f.preview && " · preview"), h("span", { class: "words", dir: "auto" }, f.caption))))),
    h("h2", {}, "Speech"),
    v.speech === null || v.speech.length === 0 ? empty("No speech was found, or the profile does not transcribe.") :
      growing(h("ol", { class: "speech" }), v.speech, (s) => h("li", {}, h("button", { type: "button", class: "row", click: () => jump(s) }, h("span", { class: "times" }, clock(s.start_ms)), h("span", { class: "words", dir: "auto" }, s.text)))));
  screen.at(0, false);
}
