"""The review sheet: flags, and a page that no row can take over."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from ingest.audit import Audit, audit_pairs
from ingest.audit_page import audit_page
from ingest.decisions import Decision
from ingest.ledger import Ledger

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'><!-- \u202e"


def row(n: int, response: str = "", **fields: Any) -> dict[str, Any]:
    text = response or f"reply that is about subject {n * 7919} and {n * 104729} alone"
    return {"instruction": [f"question {n}"], "response": text, "source": "s", "id": f"{n:016x}", **fields}


def audit(tmp_path: Path, rows: list[Any], meta: list[Any] | None = None, **decisions: Decision) -> Audit:
    pairs, notes = tmp_path / "pairs.jsonl", tmp_path / "pairs.meta.jsonl"
    pairs.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    if meta is not None:
        notes.write_text("".join(json.dumps(m) + "\n" for m in meta))
    ledger = Ledger()
    found = audit_pairs(pairs, notes, {d.id: d for d in decisions.values()}, ledger)
    ledger.close()
    return found


def test_audit_flags_each_fault(tmp_path: Path) -> None:
    rows = [
        row(1),
        row(2, "mail me at a@b.com when you have the time"),
        row(3, "write to [EMAIL_1] when you have the time"),
        row(4, "ok"),
        row(5, instruction=["persona first", "then somebody"]),
        row(6),
        row(7, row(6)["response"], instruction=["question 6"]),
        row(1, "another text under the same id as the first"),
    ]
    found = audit(tmp_path, rows, [{"id": f"{6:016x}", "confidence": 0.2}])
    assert [set(r.flags) for r in found.rows] == [
        {"same id twice"},
        {"personal data found"},
        {"personal data replaced"},
        {"too short"},
        {"non-alternating"},
        {"low confidence"},
        {"near-duplicate"},
        {"same id twice"},
    ]


def test_audit_unreadable_rows_are_listed_by_line(tmp_path: Path) -> None:
    rows = ["{", row(1), {"instruction": [], "response": "a", "source": "s", "id": "0" * 16}, row(2, extra=1)]
    found = audit(tmp_path, rows)
    assert len(found.rows) == 1
    assert [p.split(":")[1] for p in found.unreadable] == ["1", "3", "4"]


def test_audit_no_usable_row_raises(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no usable row"):
        audit(tmp_path, ["[]"])


def test_audit_bad_side_notes_raise_with_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"meta\.jsonl:1"):
        audit(tmp_path, [row(1)], [{"timeline": "s", "spans": [["A", "x", 1]]}])


class Page(HTMLParser):
    """Tags and attributes as a browser sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}


def test_page_hostile_texts_stay_text(tmp_path: Path) -> None:
    rows = [row(1, EVIL, instruction=[EVIL], source=EVIL), row(2)]
    meta = [{"id": f"{1:016x}", "confidence": 0.1, "side": EVIL}, {"timeline": EVIL, "spans": [[EVIL, 0, 5]]}]
    made = Decision(f"{1:016x}", "reject", EVIL)
    text = audit_page(audit(tmp_path, rows, meta, one=made))
    page = Page()
    page.feed(text)
    assert page.tags.count("script") == 1 and "img" not in page.tags
    assert not {n for n in page.names if n.startswith("on")} and "src" not in page.names
    assert "\u202e" not in text


def test_page_loads_nothing_and_its_policy_admits_its_script(tmp_path: Path) -> None:
    text = audit_page(audit(tmp_path, [row(1)]))
    assert not re.search(r"(?:https?:)?//[a-z]", text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_page_shows_plots_timeline_and_decisions(tmp_path: Path) -> None:
    meta = [{"timeline": "s", "spans": [["Ada", 0, 30], ["Bob", 30, 60]]}]
    text = audit_page(audit(tmp_path, [row(1), row(2)], meta, one=Decision(f"{1:016x}", "accept")))
    assert text.count("<svg") == 4  # sources, reply lengths, turns, one timeline
    assert "1.0 minutes" in text
    assert f'data-id="{1:016x}" value="accept" checked' in text
    assert f'data-id="{2:016x}" value="accept">' in text
