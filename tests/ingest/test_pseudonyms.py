"""Invented names: consistent, in labels and in texts, and never the target's."""

from __future__ import annotations

from ingest.pseudonyms import NAMES, Pseudonyms


def make() -> Pseudonyms:
    names = Pseudonyms(["Ada Lovelace"])
    names.know("María O'Neil 🌸", ["maria_92"], ("telegram", "1"))
    names.know("Will Stone", key=("telegram", "2"))
    return names


def test_scrub_full_first_and_last_name_become_one_person() -> None:
    names = make()
    invented = names.label("", ("telegram", "1"))
    assert invented in NAMES
    assert (
        names.scrub("María O'Neil, maría and O'Neil's cat") == f"{invented}, {invented} and {invented}'s cat"
    )


def test_scrub_mentions_become_the_same_person_and_stay_mentions() -> None:
    names = make()
    assert names.scrub("hi @maria_92!") == f"hi @{names.label('', ('telegram', '1'))}!"


def test_scrub_unknown_mention_is_renamed_consistently() -> None:
    names = make()
    first, second = names.scrub("@stranger77 hi"), names.scrub("ask @stranger77")
    assert "stranger" not in first + second
    assert first.split()[0] == second.split()[1]


def test_scrub_mail_address_and_everyone_are_left_alone() -> None:
    assert make().scrub("write to a@b.org, @everyone") == "write to a@b.org, @everyone"


def test_scrub_target_keeps_her_names() -> None:
    names = make()
    names.know("Ada Smith", key=("telegram", "3"))
    scrubbed = names.scrub("Ada Lovelace met Ada Smith and @Ada")
    assert scrubbed.startswith("Ada Lovelace met ") and scrubbed.endswith("and @Ada")
    assert "Smith" not in scrubbed


def test_scrub_word_that_is_a_name_only_when_capitalised() -> None:
    names = make()
    will = names.label("", ("telegram", "2"))
    assert names.scrub("I will ask Will about the stone") == f"I will ask {will} about the stone"


def test_scrub_name_inside_a_word_is_left_alone() -> None:
    names = Pseudonyms(["Ada"])
    names.know("Anna")
    assert names.scrub("annals of Savannah") == "annals of Savannah"


def test_scrub_phone_number_as_name_is_renamed_in_mentions_too() -> None:
    names = Pseudonyms(["Ada"])
    names.know("+1 555 123 4567")
    label = names.label("+1 555 123 4567")
    assert names.scrub("@15551234567 called from +1 555 123 4567") == f"@{label} called from {label}"


def test_scrub_name_without_spaces_around_is_found_in_chinese() -> None:
    names = Pseudonyms(["Ada"])
    names.know("王小明")
    assert "王小明" not in names.scrub("昨天王小明来了")


def test_label_same_display_name_on_one_platform_is_two_people() -> None:
    names = Pseudonyms(["Ada"])
    names.know("Maria", key=("discord", "1"))
    names.know("Maria", key=("discord", "2"))
    names.know("Maria", key=("whatsapp", "Maria"))
    one, two = names.label("Maria", ("discord", "1")), names.label("Maria", ("discord", "2"))
    assert one != two
    assert names.label("Maria", ("whatsapp", "Maria")) == one


def test_label_real_name_in_the_chat_is_never_given() -> None:
    names = Pseudonyms(["Ada"])
    names.know("Alex Robin")
    names.know("Someone Else")
    assert names.label("Alex Robin") not in ("Alex", "Robin")
    assert names.label("Someone Else") not in ("Alex", "Robin", names.label("Alex Robin"))


def test_label_more_people_than_names_are_still_told_apart() -> None:
    names = Pseudonyms(["Ada"])
    labels = [names.label(f"Qx{chr(97 + i // 26)}{chr(97 + i % 26)}zz") for i in range(len(NAMES) + 20)]
    assert len(set(labels)) == len(labels)


def test_scrub_id_of_a_deleted_account_adds_no_word() -> None:
    names = Pseudonyms(["Ada"])
    names.know("user123", key=("telegram", "user123"))
    assert names.scrub("the user left") == "the user left"
