// Scrolling that does not fight the reader.

import { $ } from "./dom.js";

const NEAR_END_PX = 64;
const scroller = $("scroll");
let stuck = true;
const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;

export function toEnd() {
  scroller.scrollTop = scroller.scrollHeight;
  $("latest").hidden = true;
}

/** Change the page; stay at its end only if the reader was there. */
export function follow(change) {
  const stay = atEnd();
  change();
  if (stay) toEnd();
  else $("latest").hidden = false;
}

scroller.addEventListener("scroll", () => {
  stuck = atEnd();
  if (stuck) $("latest").hidden = true;
}, { passive: true });
// A keyboard, the drawer or the strip may take room; who was at the end stays there.
new ResizeObserver(() => stuck && toEnd()).observe(scroller);
$("latest").addEventListener("click", toEnd);
