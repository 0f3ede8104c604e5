// Two thumbs under a reply: one vote, changed or taken back by pressing again.

import { h, icon } from "./dom.js";

const THUMB =
  "M6.5 17H3.8V9h2.7M6.5 17V9l3.3-6.2c1.3 0 2 .9 1.7 2.2L11 8h4.3c1 0 1.7.9 1.5 1.9l-1.2 5.7c-.2.8-.9 1.4-1.7 1.4Z";
const NAMES = { up: "Good reply", down: "Bad reply" };

/** Buttons; `rate(thumb)` is called with "up", "down" or null and may throw, which takes the press back. */
export function thumbs(rate) {
  let given = null;
  const buttons = Object.entries(NAMES).map(([thumb, name]) =>
    h(
      `button.link.thumb.${thumb}`,
      { type: "button", "aria-label": name, title: name, "aria-pressed": "false", onclick: () => press(thumb) },
      icon(THUMB, thumb),
    ));

  function show(thumb) {
    given = thumb;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.classList.contains(thumb)));
  }

  async function press(thumb) {
    const before = given;
    show(given === thumb ? null : thumb);
    for (const button of buttons) button.disabled = true; // two presses must not overtake each other
    try {
      await rate(given);
    } catch {
      show(before);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  return h("span.thumbs", { role: "group", "aria-label": "Rate this reply" }, ...buttons);
}
