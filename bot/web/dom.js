// Small helpers around the DOM. Text only ever becomes text nodes: nothing here parses HTML.

/** Create an element: h("a.card", {href}, "text", child, null). */
export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** A drawing of one path on a 20 × 20 field, in the colour of the text around it. */
export function icon(path, className = "") {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "path");
  for (const [name, value] of [["viewBox", "0 0 20 20"], ["class", `icon ${className}`.trim()], ["aria-hidden", "true"]]) {
    drawing.setAttribute(name, value);
  }
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

export const $ = (id) => document.getElementById(id);

/** The address if it is plain http or https, else null. */
export function safeUrl(value) {
  try {
    const url = new URL(value);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

/** A link that opens elsewhere, or plain text when the address is not http or https. */
export function link(address, ...children) {
  const href = safeUrl(address);
  if (!href) return h("span", {}, ...children);
  return h("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

/** "2026-11-18" in the reader's own way of writing dates. */
export function day(iso) {
  const date = iso ? new Date(iso) : null;
  return date && !Number.isNaN(date.valueOf()) ? DAY.format(date) : "";
}

/** Milliseconds as a reader wants them: 38 ms, 1.9 s. */
export function duration(ms) {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9950 ? 2 : 1)} s`;
}

/** A horizontal bar filled to `share` (0..1). The width is set by script: the page allows no inline style. */
export function meter(share, label, className = "") {
  const fill = h("i");
  fill.style.width = `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`;
  return h(`span.meter${className}`, { role: "img", "aria-label": label }, fill);
}
