// A video with its time line: what was found is marked on it, and is played from there.
import { h, place, clock } from "/page/ui.js";
import { key, probe, show } from "/page/api.js";

export const frame = (video, ms, profile) => "/videos/" + video + "/frames/" + ms + ".jpg" + (profile ? "?profile=" + encodeURIComponent(profile) : "");

// thumbnail is a picture that keeps its place while it loads.
export function thumbnail(path, text = "") {
  const image = h("img", { alt: text, loading: "lazy", decoding: "async", error: () => box.classList.add("broken"), load: () => box.classList.add("loaded") });
  const box = h("span", { class: "thumb" }, image);
  show(image, path);
  return box;
}

// timeline marks moments of a video: start_ms, end_ms, text, and weak = found by its meaning only.
// jump is called with a chosen one. The same moments are in a list, so they are no stops of the keyboard here.
export function timeline(duration, moments, jump) {
  const bar = h("div", { class: "timeline", role: "group", "aria-label": "Time line, " + clock(duration) });
  const head = h("span", { class: "playhead", hidden: true });
  const marks = moments.map((m) => {
    const mark = h("button", { type: "button", class: m.weak ? "mark weak" : "mark", tabindex: "-1", "aria-label": "Play at " + clock(m.start_ms) + (m.text ? ": " + m.text : ""), title: clock(m.start_ms), click: () => jump(m) });
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

// Players cannot send a key. With one, a service worker adds it to the requests of players, so that
// a video is read in parts. It runs where the browser trusts the address: over TLS or on this host.
const untrusted = "With a key, videos are played over TLS or on this host only. This address is neither.";
let ready = Promise.resolve(untrusted); // "" once the service worker answers, else why it does not

// withKey prepares players, if there is a key.
export function withKey() {
  if (!key.get() || !("serviceWorker" in navigator)) return;
  ready = serve().then(() => "", (e) => "With a key, videos need a service worker, which the browser refuses: " + e.message);
}

let policy; // is made once

async function serve() {
  const workers = navigator.serviceWorker;
  workers.onmessage = (e) => { if (e.data === "key") e.ports[0].postMessage(key.get()); };
  const file = "/page/worker.js";
  policy ??= window.trustedTypes?.createPolicy("worker", { createScriptURL: () => file }); // the only one that the page allows
  await workers.register(policy?.createScriptURL(file) ?? file, { scope: "/" });
  await workers.ready;
  if (!workers.controller) await new Promise((resolve) => workers.addEventListener("controllerchange", resolve, { once: true }));
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
  element.addEventListener("error", async () => {
    try {
      await probe(path);
      tell("This browser cannot play this file. Its frames and captions are below.");
    } catch (e) {
      tell(e.message);
    }
  });
  return {
    element: box,
    async at(ms, start = true) {
      target = ms / 1000;
      const why = key.get() ? await ready : "";
      if (why) return tell(why);
      if (!element.src) element.src = path;
      if (element.readyState >= 1) element.currentTime = target;
      if (start) element.play().catch(() => {}); // a browser may ask for a click first; the time is set
    },
  };
}
