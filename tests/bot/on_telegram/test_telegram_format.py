"""Light markdown to MarkdownV2, against a strict reader of what Telegram accepts."""

from __future__ import annotations

import random
import re
import time

import pytest
from telegram_markdown import Entity, MarkdownError, parse, units

from bot.telegram_format import escape, to_markdown_v2, utf16_length, without_pings

CASES = [
    ("plain", "plain", []),
    ("**bold** move", "bold move", [("bold", "bold")]),
    ("__bold__ move", "bold move", [("bold", "bold")]),
    ("an *italic* word", "an italic word", [("italic", "italic")]),
    ("an _italic_ word", "an italic word", [("italic", "italic")]),
    ("***both***", "both", [("bold", "both"), ("italic", "both")]),
    ("**bold *and* more**", "bold and more", [("bold", "bold and more"), ("italic", "and")]),
    ("**a __b__ c**", "a b c", [("bold", "a b c")]),
    ("~~gone~~", "gone", [("strikethrough", "gone")]),
    ("`x = a_b*c`", "x = a_b*c", [("code", "x = a_b*c")]),
    ("`` a`b ``", "a`b", [("code", "a`b")]),
    ("**`code`**", "code", [("code", "code")]),
    ("**a `b` c**", "a b c", [("bold", "a "), ("code", "b"), ("bold", " c")]),
    ("[site](https://a.b/c_(d)?e=1)", "site", [("text_link", "site")]),
    ("[**b**](https://a.b)", "b", [("bold", "b"), ("text_link", "b")]),
    ("![cat](https://a.b/c.png)", "cat", [("text_link", "cat")]),
    ("<https://a.b/c>", "https://a.b/c", []),
    ("see https://a.b/c_d_e*f (1.5)", "see https://a.b/c_d_e*f (1.5)", []),
    ("[x](tg://user?id=1)", "[x](tg://user?id=1)", []),
    ("[x](javascript:alert(1))", "[x](javascript:alert(1))", []),
    ("# Title", "Title", [("bold", "Title")]),
    ("## A **b** _c_ ##", "A b c", [("bold", "A b c"), ("italic", "c")]),
    ("#hashtag", "#hashtag", []),
    ("- one\n* two\n  + three", "• one\n• two\n  • three", []),
    ("1. one\n2) two", "1. one\n2) two", []),
    ("snake_case_name and 2*3*4 and 2 * 3 * 4", "snake_case_name and 2*3*4 and 2 * 3 * 4", []),
    (r"\*not\* \_this\_", "*not* _this_", []),
    ("**unclosed and `also", "**unclosed and `also", []),
    ("*a __b* c__", "a __b c__", [("italic", "a __b")]),
    ("***", "***", []),
    ("> quoted", "> quoted", []),
    ("```py\nx = `1`\\n\n```", "x = `1`\\n", [("pre", "x = `1`\\n")]),
    ("```\n\n  indented\n```\nafter", "\n  indented\nafter", [("pre", "\n  indented")]),
    ("Here: ```c++\nint x;\n```\n**done**", "Here: \nint x;\ndone", [("pre", "int x;"), ("bold", "done")]),
    ("~~~\na ``` b\n~~~", "a ``` b", [("pre", "a ``` b")]),
    ("````\n```\n````", "```", [("pre", "```")]),
    ("```\nnever closed *x*", "never closed *x*", [("pre", "never closed *x*")]),
    ("a\r\n**b**\r\n", "a\nb\n", [("bold", "b")]),
    ("🎩 **two🎩** x", "🎩 two🎩 x", [("bold", "two🎩")]),
    ("_*[]()~`>#+-=|{}.!\\", "_*[]()~`>#+-=|{}.!\\", []),
]


def styled(source: str) -> tuple[str, list[tuple[str, str]]]:
    visible, entities = parse(source)
    encoded = visible.encode("utf-16-le", "surrogatepass")

    def part(e: Entity) -> str:
        return encoded[2 * e.offset : 2 * (e.offset + e.length)].decode("utf-16-le", "surrogatepass")

    return visible, [(e.type, part(e)) for e in entities]


@pytest.mark.parametrize(("source", "visible", "entities"), CASES)
def test_to_markdown_v2_source_shows_as(source: str, visible: str, entities: list[tuple[str, str]]) -> None:
    shown, found = styled(to_markdown_v2(source))
    assert shown == visible
    assert sorted(found) == sorted(entities)


def test_to_markdown_v2_link_keeps_its_address_and_fence_its_language() -> None:
    _, (link,) = parse(to_markdown_v2("[a](https://x.y/(z)\\w)"))
    assert link.argument == "https://x.y/(z)\\w"
    _, (code,) = parse(to_markdown_v2("```python\nx\n```"))
    assert (code.type, code.argument) == ("pre", "python")


def noise(rng: random.Random, alphabet: list[str], longest: int = 60) -> str:
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(0, longest)))


MARKUP = [
    *"*_~`[]()>#+-=|{}.!\\ \n",
    "**",
    "__",
    "~~",
    "```",
    "***",
    "\n```\n",
    "](https://a.b/",
    "](x)",
    "- ",
    "# ",
]


@pytest.mark.parametrize("seed", range(8))
def test_to_markdown_v2_any_text_parses_and_shows_no_more_than_its_source(seed: int) -> None:
    rng = random.Random(seed)
    alphabet = [*MARKUP, *MARKUP, "a", "b1", " word ", "é", "🎩", "‮", "\u200b", "https://a.b/c_d", "\ud83d"]
    for _ in range(600):
        source = noise(rng, alphabet)
        visible, _ = parse(to_markdown_v2(source))  # raises where Telegram would refuse
        assert units(visible) <= units(source), source


@pytest.mark.parametrize("seed", range(4))
def test_to_markdown_v2_any_text_loses_no_letters(seed: int) -> None:
    rng = random.Random(seed)
    alphabet = [m for m in MARKUP if "`" not in m and "http" not in m] + ["`", "a", "b", "c", "1", " "]
    for _ in range(600):
        source = noise(rng, alphabet)
        visible, _ = parse(to_markdown_v2(source))
        assert re.sub(r"[\W_]", "", visible) == re.sub(r"[\W_]", "", source), source


@pytest.mark.parametrize("seed", range(4))
def test_escape_any_text_comes_back(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(400):
        source = noise(rng, [*MARKUP, "a", "🎩", "\n"])
        assert parse(escape(source)) == (source, [])


def test_to_markdown_v2_hostile_text_takes_linear_time() -> None:
    started = time.process_time()
    for source in (
        "*a " * 4000,
        "**_~~" * 3000,
        "[" * 12000,
        "`" * 6000 + "x",
        "`a``b" * 2500,
        "[a](https://" * 1000,
    ):
        parse(to_markdown_v2(source))
    assert time.process_time() - started < 3.0


def test_utf16_length_counts_as_telegram_does() -> None:
    assert utf16_length("a🎩é") == units("a🎩é") == 4


def test_without_pings_names_are_broken_but_code_and_links_are_not() -> None:
    assert without_pings("@ada, ada@x.org and https://t.me/@x") == "@\u2060ada, ada@x.org and https://t.me/@x"
    marked = to_markdown_v2("@ada `@code` [l](https://x/@y)\n```\n@property\n```\n**@bob**")
    visible, entities = parse(without_pings(marked, markdown=True))
    assert visible == "@\u2060ada @code l\n@property\n@\u2060bob"
    assert {e.type for e in entities} == {"code", "text_link", "pre", "bold"}


@pytest.mark.parametrize(
    "bad", ["a.b", "*a", "_a__", "[a", "[a](b", "`a", "```a", "a_b", "1 > 0", "*a _b*_", "|x|"]
)
def test_parse_what_telegram_refuses_is_refused(bad: str) -> None:
    with pytest.raises(MarkdownError):
        parse(bad)
