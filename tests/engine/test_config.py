"""config.toml: defaults, clear errors, secrets that hide."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from engine.config import Config, load_config
from engine.errors import ConfigError
from engine.secrets import DISCORD_NAMES, Secret, first_secret, read_env

ROOT = Path(__file__).parents[2]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_config_names_every_setting_with_its_default() -> None:
    shipped = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    profiles = shipped.pop("profiles")
    defaults = Config().model_dump(mode="json", exclude={"root", "profiles"})
    assert shipped == defaults
    assert set(profiles) == {"starter", "llama-3b"}
    assert load_config(ROOT / "config.toml").profiles["llama-3b"].quantization == "nf4"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[web]\nport = 99999", ["web.port", "99999", "65535"]),
        ("[web]\nprot = 1", ["web.prot", "not a known key"]),
        ('[retriever]\nk = "three"', ["retriever.k", "three"]),
        ("[sampling]\ntop_p = 1.5", ["sampling.top_p", "1.5", "1"]),
        ('profile = "huge"', ["profile", "huge", "starter"]),
        ("root = 1", ["root"]),
        ("[profiles.starter]\nstrengths = { style = 2 }", ["strengths.style", "2"]),
        ("[web\n", ["not valid TOML"]),
    ],
)
def test_load_config_bad_value_names_key_value_and_allowed(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    for word in words:
        assert word in str(caught.value)


def test_load_config_missing_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_config(tmp_path / "nowhere.toml")


def test_paths_are_relative_to_the_config_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, 'data_dir = "state"'))
    assert config.data_path == (tmp_path / "state").resolve()
    assert str(tmp_path.resolve()) in config.history_url


def test_secret_printed_shows_nothing() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"
    assert secret and not Secret("")


def test_read_env_file_and_environment_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".env"
    path.write_text('# note\nexport DISCORD_BOT_TOKEN="abc"\nTELEGRAM_BOT_TOKEN=x=y\n', encoding="utf-8")
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "from-env")
    env = read_env(path)
    assert first_secret(env, DISCORD_NAMES).reveal() == "abc"
    assert env["TELEGRAM_BOT_TOKEN"] == "from-env"


def test_read_env_bad_line_gives_its_number_not_its_text(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nsecret-token-without-key\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2") as caught:
        read_env(path)
    assert "secret-token" not in str(caught.value)


def test_strength_of_an_adapter_that_the_profile_does_not_name_is_one(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "[profiles.starter]\nstrengths = { style = 0.5 }"))
    assert (config.strength_of("style"), config.strength_of("identity")) == (0.5, 1.0)
