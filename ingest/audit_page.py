"""The review sheet as one HTML page that loads nothing: samples, plots, flags, accept and reject.

Decisions made on it leave as a file (download or copy), for `ingest decide --from`. All text is
escaped, and the page's own policy admits only its own script. Knows nothing of how rows are checked.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable

from ingest.audit import Audit, AuditRow
from ingest.audit_plots import bars, esc, histogram, timeline
from ingest.rows import word_count

SAMPLES = 8
"""Rows shown of each source, besides the flagged ones."""
MAX_FLAGGED = 400
MAX_SOURCES = 100
_CUT = 4000  # characters of a turn

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;
background:#fff}
svg{max-width:100%;height:auto;font-size:11px}figure{margin:1rem 0}figcaption{font-weight:600}
article{border:1px solid #ccc;border-radius:6px;padding:.5rem 1rem;margin:.7rem 0}
article.reject{background:#fbeaea}article.accept{background:#eaf6ea}
.t{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0}
.a{border-left:3px solid #2f6f9f;padding-left:.6rem}
.u{border-left:3px solid #bbb;padding-left:.6rem}
.f{background:#fff3c4;border-radius:3px;padding:0 .4rem;margin-right:.3rem}
.bar{position:sticky;bottom:0;background:#fff;border-top:1px solid #ccc;padding:.6rem 0}
textarea{width:100%;height:6rem}code{font-size:12px}
@media(prefers-color-scheme:dark){body,.bar{background:#181818;color:#ddd}article{border-color:#444}
svg text{fill:#ddd}
.f{background:#5a4a00}article.reject{background:#3a1f1f}article.accept{background:#1d331d}}
"""

_SCRIPT = """
'use strict';
const changed = new Map();
function lines() {
  return [...changed].map(([id, decision]) => JSON.stringify({id, decision}) + '\\n').join('');
}
document.addEventListener('change', (event) => {
  const box = event.target;
  if (!box.dataset.id) return;
  for (const article of document.querySelectorAll('article[data-row="' + box.dataset.id + '"]')) {
    for (const other of article.querySelectorAll('input')) {
      other.checked = box.checked && other.value === box.value;
    }
    article.className = box.checked ? box.value : '';
  }
  changed.set(box.dataset.id, box.checked ? box.value : 'clear');
  document.getElementById('count').textContent = changed.size;
  document.getElementById('out').value = lines();
});
document.getElementById('save').addEventListener('click', () => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([lines()], {type: 'application/x-ndjson'}));
  link.download = 'decisions.jsonl';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
document.getElementById('copy').addEventListener('click', () => {
  const out = document.getElementById('out');
  out.select();
  if (navigator.clipboard) navigator.clipboard.writeText(out.value).catch(() => document.execCommand('copy'));
  else document.execCommand('copy');
});
"""


def audit_page(audit: Audit) -> str:
    """The whole page."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"
    body = "".join(
        [
            f"<h1>Review of {esc(audit.name)}</h1>",
            _summary(audit),
            _plots(audit),
            _unreadable(audit.unreadable),
            _flagged(audit),
            _samples(audit),
            _export(),
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">'
        f"<title>Review of {esc(audit.name)}</title><style>{_STYLE}</style></head>"
        f"<body>{body}<script>{_SCRIPT}</script></body></html>\n"
    )


def _summary(audit: Audit) -> str:
    sides = Counter(row.side for row in audit.rows if row.side)
    made = Counter(row.decision for row in audit.rows if row.decision)
    facts = [
        f"{len(audit.rows)} rows of {len({r.source for r in audit.rows})} sources",
        *(f"{count} {name.replace('_', ' ')}" for name, count in sorted(sides.items())),
        *(f"{count} decided: {name}" for name, count in sorted(made.items())),
    ]
    return f"<p>{esc(' · '.join(facts))}</p>" + (
        bars(audit.flag_counts(), "Flagged rows") if audit.flag_counts() else ""
    )


def _plots(audit: Audit) -> str:
    rows = audit.rows
    counts = dict(Counter(row.source for row in rows).most_common())
    return "".join(
        [
            "<h2>Lengths and balance</h2>",
            bars(counts, "Rows of each source"),
            histogram([word_count(row.response) for row in rows], "Replies", "words"),
            histogram([len(row.instruction) for row in rows], "Turns before the reply", "turns"),
            "<h2>Who speaks when</h2>" if any(audit.timelines.values()) else "",
            *(timeline(source, spans) for source, spans in sorted(audit.timelines.items())[:MAX_SOURCES]),
        ]
    )


def _unreadable(problems: Iterable[str]) -> str:
    items = "".join(f"<li>{esc(problem)}</li>" for problem in problems)
    return f"<h2>Rows that the trainer would refuse</h2><ul>{items}</ul>" if items else ""


def _flagged(audit: Audit) -> str:
    # a replaced placeholder alone is no fault: it is counted above and shown among the samples
    flagged = [row for row in audit.rows if set(row.flags) - {"personal data replaced"}]
    shown = "".join(map(_article, flagged[:MAX_FLAGGED]))
    more = len(flagged) - MAX_FLAGGED
    note = f"<p>{more} more flagged rows are not shown.</p>" if more > 0 else ""
    return f"<h2>Flagged rows ({len(flagged)})</h2>{shown or '<p>None.</p>'}{note}"


def _samples(audit: Audit) -> str:
    groups: dict[str, list[AuditRow]] = defaultdict(list)
    for row in audit.rows:
        groups[row.source].append(row)
    parts = []
    for source in sorted(groups)[:MAX_SOURCES]:
        own = sorted(groups[source], key=lambda row: row.id)[:SAMPLES]  # ids are hashes: a fair draw
        parts.append(
            f"<h3>{esc(source) or '(no source)'} ({len(groups[source])})</h3>" + "".join(map(_article, own))
        )
    return "<h2>Samples</h2>" + "".join(parts)


def _article(row: AuditRow) -> str:
    turns = []
    last = len(row.instruction) - 1
    for i, text in enumerate(row.instruction):
        turns.append(_turn("u" if (last - i) % 2 == 0 else "a", text))
    flags = "".join(f'<span class="f">{esc(flag)}</span>' for flag in row.flags)
    told = [row.source, f"line {row.line}", row.side.replace("_", " ")]
    told += [f"confidence {row.confidence:.2f}"] if row.confidence is not None else []
    told += [f"{row.decision}: {row.reason}"] if row.reason else []
    return (
        f'<article data-row="{esc(row.id)}" class="{esc(row.decision)}">'
        f"<div><code>{esc(row.id)}</code> {esc(' · '.join(t for t in told if t))} {flags}</div>"
        f"{''.join(turns)}{_turn('a', row.response)}{_box(row, 'accept')} {_box(row, 'reject')}</article>"
    )


def _turn(kind: str, text: str) -> str:
    shown = text if len(text) <= _CUT else f"{text[:_CUT]}… ({len(text) - _CUT} more characters)"
    return f'<div class="t {kind}">{esc(shown)}</div>'


def _box(row: AuditRow, choice: str) -> str:
    checked = " checked" if row.decision == choice else ""
    return (
        f'<label><input type="checkbox" data-id="{esc(row.id)}" value="{choice}"{checked}> {choice}</label>'
    )


def _export() -> str:
    return (
        '<div class="bar"><b><span id="count">0</span> decisions changed here.</b> '
        '<button id="save">Save decisions.jsonl</button> <button id="copy">Copy</button> '
        "Then: <code>understudy ingest decide --from decisions.jsonl --pairs PAIRS</code>"
        '<textarea id="out" readonly aria-label="Decisions as JSON lines"></textarea></div>'
    )
