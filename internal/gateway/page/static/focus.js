// Use of the page without a mouse: the focus stays where it was when what is around it is shown again.

const stops = "a[href], button, input, select, summary, video, [tabindex]";

// identity is what tells a control from the others of its view, before and after it is shown again.
const identity = (e) => e.dataset.id || e.id || e.getAttribute("aria-label") || e.getAttribute("href") || e.tagName + " " + e.textContent;

// keep remembers which control in a box has the focus. What it returns gives the focus back to the control that
// has taken its place, or to another element if there is none.
export function keep(box) {
  const on = document.activeElement;
  const at = box.contains(on) && on !== box ? identity(on) : null;
  return (other) => {
    if (at === null || document.activeElement !== document.body) return;
    const found = [...box.querySelectorAll(stops)].find((e) => identity(e) === at);
    (found ?? other)?.focus({ preventScroll: true });
  };
}

// once makes a listener that ignores a second press while the first one is worked on. A button that is disabled would lose the focus.
export function once(f) {
  return async (e) => {
    const button = e.currentTarget;
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    try {
      await f(e);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  };
}

// skip moves the focus past the sections. The address stays that of the view.
export function skip(link, main) {
  link.addEventListener("click", (e) => {
    e.preventDefault();
    main.focus();
  });
}
