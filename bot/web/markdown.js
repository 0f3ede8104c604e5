// A small, safe markdown: bold, italic, code, lists, quotes, links. It builds DOM nodes and never
// parses HTML, so whatever a model writes stays text.

import { h, link } from "./dom.js";

const INLINE =
  /(`{1,3})(.{1,1000}?)\1(?!`)|\*\*(?=\S)(.+?)(?<=\S)\*\*|(?<![*\w])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![*\w])|(?<![\w_])_(?=[^\s_])([^_\n]+?)(?<=\S)_(?![\w_])|\[([^\]\n]{1,300})\]\((https?:\/\/[^\s)]{1,2000})\)|(https?:\/\/[^\s<>"')\]]{3,2000})/gs;
const BULLET = /^\s{0,3}[-*•]\s+(.*)$/;
const NUMBER = /^\s{0,3}(\d{1,4})[.)]\s+(.*)$/;
const FENCE = /^\s{0,3}(```+|~~~+)/;

/** Inline markup of one block as nodes. */
function inline(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(...lines(text.slice(end, match.index)));
    end = match.index + match[0].length;
    const [all, , code, bold, star, underline, label, target, bare] = match;
    if (code !== undefined) nodes.push(h("code", {}, code.trim() || code));
    else if (bold !== undefined) nodes.push(h("strong", {}, ...inline(bold)));
    else if (star !== undefined || underline !== undefined) nodes.push(h("em", {}, ...inline(star ?? underline)));
    else if (label !== undefined) nodes.push(link(target, label));
    else {
      const address = bare.replace(/[.,;:!?]+$/, "");
      nodes.push(link(address, address));
      end -= all.length - address.length;
    }
  }
  nodes.push(...lines(text.slice(end)));
  return nodes;
}

function lines(text) {
  return text.split("\n").flatMap((line, i) => (i ? [h("br"), line] : [line]));
}

/** The blocks of a text as elements. */
export function markdown(text) {
  const blocks = [];
  const rows = text.split("\n");
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) blocks.push(h("p", {}, ...inline(paragraph.join("\n"))));
    paragraph = [];
  };
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    const fence = row.match(FENCE);
    if (fence) {
      flush();
      const code = [];
      while (++i < rows.length && !rows[i].trim().startsWith(fence[1])) code.push(rows[i]);
      blocks.push(h("pre", { tabindex: "0" }, h("code", {}, code.join("\n"))));
    } else if (BULLET.test(row) || NUMBER.test(row)) {
      flush();
      i = list(rows, i, blocks);
    } else if (/^\s{0,3}#{1,6}\s/.test(row)) {
      flush();
      blocks.push(h("p", {}, h("strong", {}, ...inline(row.replace(/^[\s#]+/, "")))));
    } else if (/^\s{0,3}>\s?/.test(row)) {
      flush();
      const quoted = [];
      for (; i < rows.length && /^\s{0,3}>\s?/.test(rows[i]); i++) quoted.push(rows[i].replace(/^\s{0,3}>\s?/, ""));
      i -= 1;
      blocks.push(h("blockquote", {}, ...inline(quoted.join("\n"))));
    } else if (row.trim()) paragraph.push(row);
    else flush();
  }
  flush();
  return blocks;
}

const indent = (row) => row.length - row.trimStart().length;

/** Append the list that starts at row `i`; returns its last row. What is indented belongs to its item. */
function list(rows, i, blocks) {
  const ordered = NUMBER.test(rows[i]);
  const pattern = ordered ? NUMBER : BULLET;
  const first = ordered ? Number(rows[i].match(NUMBER)[1]) : 1;
  const inner = indent(rows[i]) + 2;
  const items = [];
  for (; i < rows.length; i++) {
    const match = indent(rows[i]) < inner ? rows[i].match(pattern) : null;
    if (match) items.push([match[match.length - 1]]);
    else if (rows[i].trim() && indent(rows[i]) >= inner) items[items.length - 1].push(rows[i].slice(inner));
    else break;
  }
  const children = items.map(([head, ...rest]) => h("li", {}, ...inline(head), ...markdown(rest.join("\n"))));
  blocks.push(ordered ? h("ol", { start: first }, ...children) : h("ul", {}, ...children));
  return i - 1;
}
