"""A project with a tiny random model and two adapters, for evaluation's plumbing."""

from __future__ import annotations

from pathlib import Path

CONFIG = """
persona = "ada"
[profiles.starter]
model = "model"
device = "cpu"
dtype = "float32"
context_tokens = 512
[sampling]
max_new_tokens = 6
[analyzer]
max_query_tokens = 6
[worker]
queue_size = 2
max_active = 2
"""
PERSONA = """
id = "ada"
name = "Ada"
system_prompt = "You are Ada."
disclosure = "An AI speaking as Ada."
style_lexicon = ["loom"]
"""


def make_project(folder: Path) -> Path:
    """Write config.toml, persona, model and adapters; returns the config's path."""
    from tiny import make_tiny_adapter, make_tiny_model

    model = make_tiny_model(folder / "model")
    adapters = folder / "ada" / "adapters"
    make_tiny_adapter(model, adapters / "identity", "identity", seed=1)
    make_tiny_adapter(model, adapters / "style", "style", r=4, seed=2)
    (folder / "ada" / "persona.toml").write_text(PERSONA, encoding="utf-8")
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    return folder / "config.toml"
