// A video with its time line: what was found is marked on it, and is played from there.
import { h, place, clock } from "/page/ui.js";
import { show } from "/page/api.js";
import { play } from "/page/media.js";

export const frame = (video, ms, profile) => "/videos/" + video + "/frames/" + ms + ".jpg" + (profile ? "?profile=" + encodeURIComponent(profile) : "");

// thumbnail is a picture that keeps its place while it loads.
export function thumbnail(path, text = "") {
  const image = h("img", { alt: text, loading: "lazy", decoding: "async", error: () => box.classList.add("broken"), load: () => box.classList.add("loaded") });
  const box = h("span", { class: "thumb" }, image);
  show(image, path);
  return box;
}

// timeline marks moments of a video: start_ms, end_ms, text, and weak = found by its meaning only.
// jump is called with a chosen one.
export function timeline(duration, moments, jump) {
  const bar = h("div", { class: "timeline", role: "group", "aria-label": "Time line, " + clock(duration) });
  const head = h("span", { class: "playhead", hidden: true });
  const marks = moments.map((m) => {
    const mark = h("button", { type: "button", class: m.weak ? "mark weak" : "mark", "aria-label": "Play at " + clock(m.start_ms) + (m.text ? ": " + m.text : ""), title: clock(m.start_ms), click: () => jump(m) });
    mark.style.left = Math.min(100, (100 * m.start_ms) / duration) + "%";
    mark.style.width = Math.max(0, Math.min(100, (100 * (m.end_ms - m.start_ms)) / duration)) + "%";
    return mark;
  });
  place(bar, marks, head);
  return {
    element: h("div", { class: "timeline-box" }, bar, h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, "0:00"), h("span", {}, clock(duration)))),
    at(ms) {
      head.hidden = false;
      head.style.left = Math.min(100, (100 * ms) / duration) + "%";
    },
    choose(m) {
      marks.forEach((mark, i) => mark.classList.toggle("chosen", moments[i] === m));
    },
  };
}

// player shows a video from a moment on.
export function player(video, name, onTime) {
  const problem = h("p", { class: "note", hidden: true });
  const element = h("video", { controls: true, playsinline: true, preload: "metadata", "aria-label": "Video " + name });
  const box = h("div", { class: "player" }, element, problem);
  const path = "/videos/" + video + "/content";
  let target = null;
  const tell = (text) => {
    problem.hidden = false;
    place(problem, text);
  };
  element.addEventListener("loadedmetadata", () => { if (target !== null) element.currentTime = target; });
  element.addEventListener("timeupdate", () => onTime(element.currentTime * 1000));
  element.addEventListener("refused", (e) => tell(e.detail));
  element.addEventListener("error", async () => {
    const r = await fetch(path, { headers: { Range: "bytes=0-0" } }).catch(() => null);
    if (r?.ok) tell("This browser cannot play this file. Its frames and captions are below.");
    else tell((await r?.json().catch(() => null))?.detail ?? "The video could not be read.");
  });
  return {
    element: box,
    async at(ms, start = true) {
      target = ms / 1000;
      if (!element.src) await play(element, path);
      if (element.readyState >= 1) element.currentTime = target;
      if (start) element.play().catch(() => {}); // a browser may ask for a click first; the time is set
    },
  };
}
