// One exchange on the page: what the reader said, and the reply with its sources.

import { day, h, link } from "./dom.js";
import { markdown } from "./markdown.js";
import { follow } from "./scroll.js";
import { thumbs } from "./thumbs.js";

/** What the reader said. */
export function userRow(text) {
  return h("div.turn.mine", {}, h("span.unseen", {}, "You: "), h("div.bubble", { dir: "auto" }, text));
}

/**
 * A reply: it grows while it is streamed, and ends with its sources or with what went wrong.
 * `explain(result, button)`, `retry()` and `rate(result, thumb)` are called by its buttons.
 */
export class Reply {
  constructor(name, { explain, retry, rate }) {
    this.actions = { explain, retry, rate };
    this.text = "";
    this.result = null;
    this.frame = 0;
    this.body = h("div.prose", { dir: "auto" });
    this.cards = h("div");
    this.foot = h("div.foot");
    this.speaker = h("div.speaker", {}, name);
    this.node = h("article.turn.theirs.writing", {}, this.speaker, this.body, this.cards, this.foot);
    this.draw();
  }

  add(text) {
    this.text += text;
    // One drawing a frame, however fast the words come.
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    follow(() => {
      this.body.replaceChildren(...markdown(this.text));
      if (this.node.classList.contains("writing")) caretHome(this.body).append(h("span.caret", { "aria-hidden": "true" }));
    });
  }

  finish(result) {
    this.result = result;
    this.settle(result.reply || "…");
    follow(() => {
      if (result.sources.length) this.cards.replaceWith(sourceCards(result.sources));
      const foot = [
        h("button.link.explain", { type: "button", onclick: (event) => this.actions.explain(result, event.currentTarget) }, "Why"),
        h("button.link.retry", { type: "button", onclick: () => this.actions.retry() }, "Retry"),
        result.reply_id ? thumbs((thumb) => this.actions.rate(result, thumb)) : null,
        h("span.meta", {}, summary(result)),
      ];
      this.foot.replaceChildren(...foot.filter(Boolean));
    });
  }

  /** No reply came, or not all of it; `again` asks once more. */
  fail(message, again) {
    this.settle(this.text);
    follow(() => {
      const button = again ? h("button.again", { type: "button", onclick: again }, "Try again") : null;
      this.foot.replaceChildren(h("div.trouble", { role: "alert" }, h("span", {}, message), button));
      if (this.text) return;
      this.body.remove(); // the sentence is the service's, not the persona's
      this.speaker.remove();
    });
  }

  settle(text) {
    cancelAnimationFrame(this.frame);
    this.text = text;
    this.node.classList.remove("writing");
    this.draw();
  }
}

/** The element that a caret follows: the last one that holds text. */
function caretHome(body) {
  let node = body;
  while (node.lastElementChild && /^(P|UL|OL|LI|PRE|CODE|BLOCKQUOTE)$/.test(node.lastElementChild.tagName)) {
    node = node.lastElementChild;
  }
  return node;
}

function sourceCards(sources) {
  const pages = new Map();
  for (const source of sources) {
    const page = `${source.title}\n${source.url}`;
    if (!pages.has(page)) pages.set(page, source); // passages of one page share a card, best first
  }
  const cards = [...pages.values()].map((source) => {
    const host = hostOf(source.url);
    return h(
      "li",
      {},
      link(
        source.url,
        h("span.card-host", {}, host),
        h("span.card-title", {}, source.title || host || "Untitled"),
        h("span.card-date", {}, day(source.date) || "no date"),
        h("span.card-score", { title: "Score: similarity and recency" }, source.score.toFixed(2)),
      ),
    );
  });
  return h("ol.cards", { "aria-label": "Sources" }, ...cards);
}

function hostOf(address) {
  try {
    return new URL(address).hostname.replace(/^www\./, "");
  } catch {
    return "";
  }
}

function summary(result) {
  const parts = [`${((result.timings_ms.total ?? 0) / 1000).toFixed(1)} s`];
  if (!result.retrieve) parts.push("from memory");
  else if (!result.sources.length) parts.push("no sources found");
  if (!result.adapters.length) parts.push("base model");
  if (result.finish === "length") parts.push("cut at the length limit");
  return parts.join(" · ");
}
