// The panel that explains a reply: decision, query, passages, adapters, timings.

import { $, day, duration, h, link, meter } from "./dom.js";

/** Stages that follow one another; the others are measured from the start. */
const STAGES = {
  history: "Read history",
  decide: "Decide",
  rewrite: "Rewrite query",
  retrieve: "Search and rerank",
  prompt: "Build prompt",
  generate: "Generate",
};
const FROM_START = new Set(["first_token", "total"]);

export class WhyPanel {
  constructor() {
    this.result = null;
    this.opener = null;
    $("why-toggle").addEventListener("click", () => (this.isOpen ? this.close() : this.open(null, $("why-toggle"))));
    $("why-close").addEventListener("click", () => this.close());
    $("scrim").addEventListener("click", () => this.close());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOpen) this.close();
    });
    this.draw();
  }

  get isOpen() {
    return !$("why").hidden;
  }

  /** Show the newest reply's explanation whenever the panel is open. */
  latest(result) {
    this.result = result;
    this.draw();
  }

  open(result, opener) {
    if (result) this.result = result;
    this.opener = opener;
    this.draw();
    $("why").hidden = false;
    $("scrim").hidden = false;
    $("stage").classList.add("explaining");
    $("why-toggle").setAttribute("aria-expanded", "true");
    $("why").focus({ preventScroll: true });
    $("why-body").scrollTop = 0;
  }

  close() {
    $("why").hidden = true;
    $("scrim").hidden = true;
    $("stage").classList.remove("explaining");
    $("why-toggle").setAttribute("aria-expanded", "false");
    (this.opener?.isConnected ? this.opener : $("why-toggle")).focus();
  }

  draw() {
    const result = this.result;
    if (!result) {
      $("why-body").replaceChildren(
        h("p.faint", {}, "Ask something first. Then this panel shows whether the index was searched, with which ",
          "query, what was found, which adapters spoke and where the time went."),
      );
      return;
    }
    $("why-body").replaceChildren(
      decision(result),
      ...(result.note ? [note(result.note)] : []),
      passages(result),
      adapters(result),
      timings(result),
    );
  }
}

function section(title, aside, ...children) {
  return h("section", {}, h("h3", {}, title, aside ? h("span", {}, aside) : null), ...children);
}

function decision(result) {
  const verdict = result.retrieve ? "Search the index" : "Answer from memory";
  const share = result.probability;
  const chance = result.forced
    ? h("p.faint", {}, "Set by you; the analyzer was not asked.")
    : h(
        "div.chance",
        {},
        meter(share, `Probability of RETRIEVE: ${share.toFixed(2)}`),
        h("div.chance-row", {}, h("span", {}, "P(RETRIEVE)"), h("b", {}, share.toFixed(share > 0.995 || share < 0.005 ? 4 : 2))),
      );
  const query = result.query
    ? h("div.query", {}, h("span", {}, "Query"), h("q", {}, result.query))
    : null;
  return section("Decision", "", h(`p.verdict${result.retrieve ? ".yes" : ""}`, {}, verdict), chance, query);
}

function note(text) {
  return section("Note", "", h("p.note", {}, text));
}

function passages(result) {
  if (!result.sources.length) {
    if (!result.retrieve) return "";
    return section("Passages", "none", h("p.faint", {}, "Nothing from the index was used."));
  }
  const items = result.sources.map((source) =>
    h(
      "li",
      {},
      h("div.passage-title", {}, link(source.url, source.title || source.url || "Untitled")),
      h("div.passage-meta", {}, day(source.date) || "no date", h("span", {}, `similarity ${source.similarity.toFixed(2)}`)),
      h("div.passage-score", {}, meter(source.score, `Score ${source.score.toFixed(2)}`), h("b", {}, source.score.toFixed(2))),
      source.found ? h("div.passage-found", {}, h("span", {}, "Found"), h("q", {}, source.found)) : "",
      h("details", {}, h("summary", {}, "Passage"), h("p", {}, ...marked(source))),
    ),
  );
  return section("Passages", "score = similarity and recency", h("ol.passages", {}, ...items));
}

// The passage with the words that the reader found, marked where they stand first.
function marked(source) {
  const at = source.found ? source.text.indexOf(source.found) : -1;
  if (at < 0) return [source.text];
  const end = at + source.found.length;
  return [source.text.slice(0, at), h("mark", {}, source.found), source.text.slice(end)];
}

function adapters(result) {
  if (!result.adapters.length) {
    return section("Adapters", "", h("p.faint", {}, "None: the unmodified base model spoke."));
  }
  const rows = result.adapters.map((a) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, a.name),
      h("td.code", {}, a.hash),
      h("td.number", {}, `r${a.rank}`),
      h("td.number", {}, a.strength.toFixed(2)),
    ),
  );
  return section("Adapters", "hash, rank, strength", h("table", {}, h("tbody", {}, ...rows)));
}

function timings(result) {
  const all = Object.entries(result.timings_ms);
  const stages = all.filter(([name]) => !FROM_START.has(name));
  const total = result.timings_ms.total ?? stages.reduce((sum, [, ms]) => sum + ms, 0);
  const bar = h("div.stack", { role: "img", "aria-label": `Total ${duration(total)}` });
  for (const [name, ms] of stages) {
    const part = h(`i.stage-${STAGES[name] ? name : "other"}`, { title: `${STAGES[name] ?? name} ${duration(ms)}` });
    part.style.flexGrow = String(ms);
    bar.append(part);
  }
  const first = result.timings_ms.first_token;
  const marker = first !== undefined && total > 0 ? h("span.first-token", { "aria-hidden": "true" }) : null;
  if (marker) marker.style.left = `${Math.min(100, (first / total) * 100)}%`;
  const rows = stages.map(([name, ms]) =>
    h("tr", {}, h("th", { scope: "row" }, h(`i.dot.stage-${STAGES[name] ? name : "other"}`), STAGES[name] ?? name), h("td.number", {}, duration(ms))),
  );
  if (first !== undefined) rows.push(h("tr.sum", {}, h("th", { scope: "row" }, "First word after"), h("td.number", {}, duration(first))));
  rows.push(h("tr.sum", {}, h("th", { scope: "row" }, "Total"), h("td.number", {}, duration(total))));
  const speed = result.new_tokens && result.timings_ms.generate
    ? `${result.new_tokens} tokens, ${(result.new_tokens / (result.timings_ms.generate / 1000)).toFixed(0)}/s`
    : "";
  return section("Timings", speed, h("div.stack-wrap", {}, bar, marker), h("table.timings", {}, h("tbody", {}, ...rows)));
}
