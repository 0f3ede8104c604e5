"""What is written as TOML is read back equal."""

from __future__ import annotations

import tomllib

from engine.toml_write import toml_text


def test_toml_text_nested_values_round_trip() -> None:
    data = {
        "name": 'quotes " and \\ and \x7f and ü\nline',
        "rate": 2e-4,
        "on": True,
        "names": ["q", "k"],
        "empty": [],
        "profiles": {"my model": {"context": 512, "dtype": "float32"}},
        "phase": [{"name": "one", "r": 8, "inner": {"x": 1}}, {"name": "two", "alpha": 16.0}],
    }
    assert tomllib.loads(toml_text(data)) == data


def test_toml_text_none_is_left_out() -> None:
    assert toml_text({"a": None, "b": 1}) == "b = 1\n"
