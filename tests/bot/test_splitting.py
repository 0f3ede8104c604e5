"""Cutting texts: limits hold, nothing is lost, and nothing breaks that need not."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest

from bot.splitting import close_fence, cut, split, utf16_units

WORDS = ["river", "a", "Hannibal", "steam-boat", "né", "naïve,", "**bold**", "*it*", "`x = 1`", "end."]
WORDS += ["[a link](https://example.org/a?b=c)", "👩‍👩‍👧", "日本語", "5", "*", "2**3", "_", "e\u0301\u0302"]
BREAKS = [" ", " ", " ", " ", "  ", "\n", "\n\n", "\n- ", "\n    "]


def bare(text: str) -> str:
    """A text without what a cut may add or take: whitespace and fence markers."""
    return re.sub(r"`{3}(?:python)?|\s+", "", text)


def random_text(seed: int, fences: bool) -> str:
    """Prose with markdown, emoji and combining marks; sometimes with code blocks."""
    dice = random.Random(seed)
    out = []
    for _ in range(dice.randint(1, 400)):
        if fences and dice.random() < 0.03:
            lines = ["  " * dice.randint(0, 3) + f"line {n} = {n}" for n in range(dice.randint(1, 60))]
            out.append("\n```python\n" + "\n".join(lines) + "\n```\n")
        out.append(dice.choice(WORDS) + dice.choice(BREAKS))
    return "".join(out)


@pytest.mark.parametrize("length", [len, utf16_units])
@pytest.mark.parametrize("seed", range(60))
def test_split_random_text_fits_and_loses_nothing(seed: int, length) -> None:
    text = random_text(seed, fences=seed % 2 == 1)
    limit = random.Random(seed).choice([40, 100, 333, 2000, 4096])
    parts = split(text, limit, length=length)
    assert all(0 < length(part) <= limit for part in parts)
    assert bare("\n".join(parts)) == bare(text)
    for part in parts:
        assert part.count("```") % 2 == 0, "a code block is left open"


@pytest.mark.parametrize("seed", range(40))
def test_split_random_prose_cuts_no_word_and_no_cluster(seed: int) -> None:
    text = random_text(seed, fences=False)
    seen = text
    for part in split(text, 120):
        assert seen.lstrip().startswith(part.strip())
        seen = seen.lstrip()[len(part.strip()) :]
        assert not seen or seen[0].isspace(), "a word was cut"
        assert not part or unicodedata.combining(part.strip()[0]) == 0


@pytest.mark.parametrize("seed", range(40))
def test_split_inline_markdown_stays_whole(seed: int) -> None:
    dice = random.Random(seed)
    spans = [
        "**some bold words**",
        "*leaning words here*",
        "`a b c d`",
        "[link text](http://x.org)",
        "~~no no~~",
    ]
    text = " ".join(dice.choice([*spans, "plain", "words", "in", "between,"]) for _ in range(200))
    for part in split(text, 150):
        for marker in ("**", "~~", "`"):
            assert part.count(marker) % 2 == 0, part
        assert part.count("[") == part.count("](") == part.count(")")
        assert part.replace("**", "").count("*") % 2 == 0, part


def test_split_short_text_is_returned_as_it_is() -> None:
    assert split("  two words ", 2000) == ["  two words "]


@pytest.mark.parametrize("blank", ["", " ", "\n\n  \t"])
def test_split_blank_text_gives_no_message(blank: str) -> None:
    assert split(blank, 10) == []


def test_split_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        split("text", 0)


def test_split_unbroken_word_is_cut_hard_at_the_limit() -> None:
    parts = split("x" * 5000, 2000)
    assert [len(p) for p in parts] == [2000, 2000, 1000]


def test_split_paragraphs_are_preferred_to_lines_and_words() -> None:
    text = "a" * 50 + "\n\n" + "b" * 20 + "\n" + "c c " * 20
    assert split(text, 100)[0] == "a" * 50


def test_split_sentence_is_preferred_to_a_word() -> None:
    first = "It was a long day on the river, and we slept well. "
    assert split(first + "Then the morning came, and with it rain", 70)[0] == first.rstrip()


def test_split_long_fence_is_closed_and_reopened_with_its_language() -> None:
    code = "\n".join(f"    value_{n} = {n}" for n in range(300))
    parts = split(f"Look:\n```python\n{code}\n```\nDone.", 1000)
    assert len(parts) > 5
    for part in parts[:-1]:
        assert part.endswith("\n```")
    for part in parts[1:]:
        assert part.startswith("```python\n    value_"), "language or indentation lost"
    lines = [line for part in parts for line in part.split("\n") if "value_" in line]
    assert lines == code.split("\n")
    assert parts[-1].endswith("```\nDone.")


def test_split_fence_that_fits_the_next_message_is_moved_whole() -> None:
    text = "word " * 150 + "\n```py\n" + "x = 1\n" * 60 + "```"
    parts = split(text, 1000)
    assert len(parts) == 2
    assert parts[1].startswith("```py\n") and parts[1].endswith("```")


def test_split_closing_marker_alone_opens_no_empty_block() -> None:
    for room in range(40, 70):
        parts = split("```\n" + "x = 1\n" * 6 + "y = 23\n```\nafter the code", room)
        assert not any(re.fullmatch(r"```\w*\s*```", part) for part in parts), (room, parts)


def test_split_backticks_in_prose_do_not_open_a_block_for_ever() -> None:
    text = "a ``` b " * 400
    parts = split(text, 200)
    assert all(len(p) <= 200 for p in parts)
    assert bare("\n".join(parts)) == bare(text)


@pytest.mark.parametrize(
    "cluster",
    ["👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "e\u0301\u0323", "각", "❤️", "🏴\U000e0067\U000e0062\U000e007f"],
)
def test_split_unbroken_clusters_are_not_taken_apart(cluster: str) -> None:
    parts = split(cluster * 100, 50, length=utf16_units)
    assert "".join(parts) == cluster * 100
    for part in parts:
        assert part == cluster * (len(part) // len(cluster))


def test_split_surrogate_halves_stay_together() -> None:
    parts = split("\ud83d\ude00" * 50, 33)
    assert all(part[0] == "\ud83d" and part[-1] == "\ude00" for part in parts)


def test_split_endless_cluster_still_ends() -> None:
    parts = split("e" + "\u0301" * 5000, 2000)
    assert "".join(parts) == "e" + "\u0301" * 5000


def test_split_utf16_counts_astral_characters_twice() -> None:
    assert utf16_units("a😀") == 3
    assert [utf16_units(p) for p in split("😀" * 3000, 4096, length=utf16_units)] == [4096, 1904]


def test_split_hostile_text_takes_no_time(benchmark_s: float = 3.0) -> None:
    import time

    began = time.perf_counter()
    for piece in ("**", "[", "`", "_a", "<a", "```", "\n", " ", "**a", "[x](", "``a`"):
        for part in split(piece * 10_000, 2000):
            assert len(part) <= 2000
    assert time.perf_counter() - began < benchmark_s


def test_cut_remainder_is_empty_when_all_fits() -> None:
    assert cut("all of it", 9) == ("all of it", "")


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("so:\n```py\nx = 1", "so:\n```py\nx = 1\n```"),
        ("so:\n```py\nx = 1\n```", "so:\n```py\nx = 1\n```"),
        ("so:\n```py", "so:\n```py"),
        ("plain", "plain"),
    ],
)
def test_close_fence_open_block_is_closed(text: str, closed: str) -> None:
    assert close_fence(text) == closed
