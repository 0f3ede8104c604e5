// The strip under the message: a switch and a strength for each adapter, and retrieval auto/on/off.
// Until the reader touches something the server's own defaults apply, also when an admin changes them.

import { $, h } from "./dom.js";

const RETRIEVAL = [
  ["auto", "Auto", "The analyzer decides for each message"],
  ["on", "On", "Always search the index"],
  ["off", "Off", "Answer from memory"],
];

export class Tuning {
  constructor() {
    this.adapters = []; // {name, hash, rank, on, strength}
    this.touched = false;
    this.retrieval = "auto";
    this.signature = "";
    $("tune-toggle").addEventListener("click", () => {
      const open = $("tune-toggle").getAttribute("aria-expanded") !== "true";
      $("tune-toggle").setAttribute("aria-expanded", String(open));
      $("tuning").classList.toggle("open", open);
    });
  }

  /** Take over what the server has loaded; what the reader has set stays. */
  load(loaded) {
    const signature = JSON.stringify(loaded);
    if (signature === this.signature) return;
    this.signature = signature;
    const mine = new Map(this.adapters.map((a) => [a.name, a]));
    this.adapters = loaded.map((a) => {
      const kept = this.touched ? mine.get(a.name) : undefined;
      return {
        name: a.name,
        hash: a.hash,
        rank: a.rank,
        on: kept ? kept.on : a.strength > 0,
        strength: kept ? kept.strength : a.strength || 1,
      };
    });
    this.draw();
  }

  /** What goes with the next request. */
  options() {
    const options = { retrieve: { auto: null, on: true, off: false }[this.retrieval] };
    options.strengths = this.touched
      ? Object.fromEntries(this.adapters.map((a) => [a.name, a.on ? a.strength : 0]))
      : null;
    return options;
  }

  draw() {
    const rows = this.adapters.map((adapter) => this.row(adapter));
    if (!rows.length) rows.push(h("span.base", {}, "Base model, no adapter loaded"));
    $("tuning").replaceChildren(...rows, this.segments());
    this.summarize();
  }

  row(adapter) {
    const value = h("output.strength", {}, adapter.strength.toFixed(2));
    const slider = h("input", {
      type: "range",
      min: "0.05",
      max: "1",
      step: "0.05",
      value: adapter.strength,
      "aria-label": `Strength of ${adapter.name}`,
    });
    const box = h("input", { type: "checkbox", role: "switch", "aria-label": adapter.name });
    const row = h(
      "div.adapter",
      { title: `${adapter.name}: rank ${adapter.rank}, ${adapter.hash}` },
      h("label.switch", {}, box, h("span.track", { "aria-hidden": "true" }), h("span.label", {}, adapter.name)),
      slider,
      value,
    );
    const show = () => {
      box.checked = adapter.on;
      row.classList.toggle("off", !adapter.on);
      value.textContent = adapter.on ? adapter.strength.toFixed(2) : "off";
      slider.disabled = !adapter.on;
      slider.style.setProperty("--fill", `${((adapter.strength - 0.05) / 0.95) * 100}%`);
    };
    const change = () => {
      this.touched = true;
      show();
      this.summarize();
    };
    box.addEventListener("change", () => {
      adapter.on = box.checked;
      change();
    });
    slider.addEventListener("input", () => {
      adapter.strength = Number(slider.value);
      change();
    });
    show();
    return row;
  }

  segments() {
    const choices = RETRIEVAL.map(([value, label, title]) => {
      const radio = h("input", { type: "radio", name: "retrieval", value, checked: value === this.retrieval });
      radio.addEventListener("change", () => {
        this.retrieval = value;
        this.summarize();
      });
      return h("label", { title }, radio, h("span", {}, label));
    });
    return h(
      "div.segments",
      { role: "radiogroup", "aria-label": "Search the index for sources" },
      h("span.label", { "aria-hidden": "true" }, "Sources"),
      h("div.segment-row", {}, ...choices),
    );
  }

  summarize() {
    const parts = this.adapters.map((a) => `${a.name} ${a.on ? a.strength.toFixed(2) : "off"}`);
    if (!parts.length) parts.push("base model");
    if (this.retrieval !== "auto") parts.push(`sources ${this.retrieval}`);
    $("tune-summary").textContent = parts.join(" · ");
  }
}
