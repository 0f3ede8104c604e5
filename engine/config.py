"""config.toml, read once at the entry point and checked key by key.

Each part of the program receives only its own section. Relative paths are resolved against the
folder of config.toml. Tokens are not here: `engine.secrets` reads them from the environment.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.errors import ConfigError
from engine.toml_file import checked, read_toml
from engine.types import Sampling

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://\S+$")]


class Section(BaseModel):
    """A section refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProfileConfig(Section):
    """A base model and how it is loaded."""

    model: str = "models/starter"
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantization: Literal["none", "nf4", "int8"] = "none"
    context_tokens: int = Field(1024, ge=128, le=1_000_000)
    reader: str = ""
    """A folder of `understudy train reader`, whose findings stand in the prompt; empty: none."""
    strengths: dict[str, Fraction] = {}
    """Adapter -> default strength at the start; those that are not named here begin at 1."""
    grounded_strengths: dict[str, Fraction] = {}
    """Adapter -> the most that a reply with passages gets of it; others keep their default."""
    history_turns: int | None = Field(None, ge=0)
    """Earlier turns in a reply's prompt, at most; none: all of [history] max_turns that fit. The analyzer
    has a limit of its own."""


class AdaptersConfig(Section):
    """Which adapters of the persona are loaded, in stacking order."""

    load: list[str] = ["identity", "style"]
    required: bool = False


class SamplingConfig(Section):
    """Sampling defaults of a reply."""

    max_new_tokens: int = Field(200, ge=1, le=8192)
    temperature: float = Field(0.7, ge=0.0, le=5.0)
    grounded_temperature: float = Field(0.2, ge=0.0, le=5.0)
    """The most that a reply with passages gets: facts are not to be varied."""
    top_p: float = Field(0.9, gt=0.0, le=1.0)
    top_k: int = Field(50, ge=0)
    repetition_penalty: float = Field(1.1, ge=0.5, le=3.0)

    def sampling(self) -> Sampling:
        """The same as the value that crosses the seam."""
        return Sampling(**self.model_dump(exclude={"grounded_temperature"}))


class AnalyzerConfig(Section):
    """When to retrieve, and what the analyzer sees."""

    threshold: Fraction = 0.5
    history_turns: int = Field(4, ge=0, le=50)
    max_query_tokens: int = Field(48, ge=4, le=512)


class RetrieverConfig(Section):
    """Where the index is and how passages are scored."""

    url: str = Field("", pattern=r"^(https?://.+)?$")
    embedder: str = "all-MiniLM-L6-v2"
    k: int = Field(3, ge=1, le=20)
    overfetch: int = Field(4, ge=1, le=50)
    recency_weight: Fraction = 0.25
    half_life_days: float = Field(30.0, gt=0.0)
    min_similarity: float = Field(0.25, ge=-1.0, le=1.0)


class IndexConfig(Section):
    """How documents are cut into passages, in tokens of the embedder."""

    chunk_tokens: int = Field(104, ge=20, le=480)
    overlap_tokens: int = Field(20, ge=0, le=240)

    @model_validator(mode="after")
    def _overlap_fits(self) -> IndexConfig:
        if self.overlap_tokens > self.chunk_tokens // 2:
            raise ValueError(
                f"overlap_tokens is {self.overlap_tokens}; allowed: half of chunk_tokens or less"
            )
        return self


class HistoryConfig(Section):
    """The database, and how much of a conversation is read back."""

    url: str = ""
    max_turns: int = Field(40, ge=0, le=1000)
    summarize: bool = False


class WorkerConfig(Section):
    """The thread that owns the model."""

    queue_size: Positive = 32
    max_active: Positive = 8
    threads: int = Field(0, ge=0, le=1024)


class LimitsConfig(Section):
    """Who may talk to the persona, and how much."""

    max_message_chars: int = Field(8000, ge=1, le=200_000)
    replies_per_minute: int = Field(20, ge=0)
    bot_loop_replies: int = Field(3, ge=0)
    allowed_users: list[str] = []
    blocked_users: list[str] = []
    allowed_conversations: list[str] = []
    blocked_conversations: list[str] = []
    admins: list[str] = []


class DiscordConfig(Section):
    """The Discord adapter."""

    enabled: bool = True
    api_url: str = Field("", pattern=r"^(https?://.+)?$")
    gateway_url: str = Field("", pattern=r"^(wss?://.+)?$")
    answer_bots: bool = False
    edit_interval_s: Seconds = 1.2
    test_guild: int = Field(0, ge=0)


class TelegramConfig(Section):
    """The Telegram adapter."""

    enabled: bool = True
    base_url: str = Field("", pattern=r"^(https?://.+)?$")
    base_file_url: str = Field("", pattern=r"^(https?://.+)?$")
    edit_interval_s: Seconds = 1.0


class WebConfig(Section):
    """The web page and the OpenAI-compatible API."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    api_keys: list[str] = []
    max_sessions: Positive = 1000


class NewsConfig(Section):
    """Where news comes from, how it is fetched, and when."""

    enabled: bool = True
    hour: int = Field(4, ge=0, le=23)
    minute: int = Field(10, ge=0, le=59)
    jitter_s: int = Field(600, ge=0, le=7200)
    feeds: list[HttpUrl] = []
    """RSS or Atom; not empty: instead of the persona's own."""
    pages: list[HttpUrl] = []
    newsapi_queries: list[str] = []
    newsapi_url: HttpUrl = "https://newsapi.org/v2/everything"
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    full_text: bool = True
    recheck_days: float = Field(2.0, ge=0.0, le=60.0)
    """Pages read so recently are asked whether they changed though their entry did not."""
    undated: Literal["keep", "refuse"] = "keep"
    max_age_days: float = Field(60.0, ge=0.0)
    max_entries: int = Field(100, ge=1, le=10_000)
    max_bytes: int = Field(5_000_000, ge=1_000, le=100_000_000)
    timeout_s: float = Field(30.0, gt=0.0, le=600.0)
    read_timeout_s: float = Field(10.0, gt=0.0, le=600.0)
    retries: int = Field(2, ge=0, le=10)
    per_host_interval_s: float = Field(1.0, ge=0.0, le=600.0)
    allow_private: bool = False
    refresh_timeout_s: float = Field(3600.0, gt=0.0)

    @property
    def policy(self) -> str:
        """Changes with every setting that decides what is kept of an answer that was read before."""
        rules = f"{self.full_text} {self.undated} {self.max_age_days} {self.max_entries}"
        return hashlib.sha256(rules.encode()).hexdigest()[:12]


class ToolsConfig(Section):
    """What the persona may look up while it answers."""

    use: list[str] = []
    """Empty: what persona.toml lists, which is nothing unless it says so."""
    max_calls: int = Field(2, ge=1, le=10)
    timeout_s: Seconds = 10.0
    max_result_chars: int = Field(600, ge=100, le=20_000)
    units: Literal["metric", "imperial"] = "metric"
    weather: Literal["auto", "open-meteo", "openweathermap"] = "auto"
    geocoding_url: str = Field("", pattern=r"^(https?://\S+)?$")
    forecast_url: str = Field("", pattern=r"^(https?://\S+)?$")
    openweathermap_url: str = Field("", pattern=r"^(https?://\S+)?$")


class FineTuningConfig(Section):
    """The document assistant: what may be learned from, and how it is trained."""

    upload_dir: str = ""
    recipe: str = Field("document-assistant", pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    max_documents: int = Field(50, ge=1, le=1000)
    max_upload_bytes: int = Field(20_000_000, ge=1_000, le=1_000_000_000)


class RetrainingConfig(Section):
    """Training an adapter again from new conversations, by schedule."""

    enabled: bool = False
    cron: str = "30 3 * * 0"
    adapter: str = Field("grounded", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    recipe: str = Field("rag-tuned", pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    min_new_conversations: int = Field(50, ge=1)
    gate_cases: int = Field(24, ge=0, le=10_000)


class AudienceConfig(Section):
    """Whom /audience may choose, and the adapter of each."""

    adapters: dict[str, str] = {}
    strength: Fraction = 1.0
    keep_stack: bool = True
    """Whether the persona's adapters stay on beside the audience's."""


class LogConfig(Section):
    """Logging, set up at the entry point only."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Config(Section):
    """All of config.toml."""

    persona: str = "personas/mark-twain"
    profile: str = "starter"
    data_dir: str = "data"
    profiles: dict[str, ProfileConfig] = {"starter": ProfileConfig()}
    adapters: AdaptersConfig = AdaptersConfig()
    sampling: SamplingConfig = SamplingConfig()
    analyzer: AnalyzerConfig = AnalyzerConfig()
    retriever: RetrieverConfig = RetrieverConfig()
    index: IndexConfig = IndexConfig()
    history: HistoryConfig = HistoryConfig()
    worker: WorkerConfig = WorkerConfig()
    limits: LimitsConfig = LimitsConfig()
    discord: DiscordConfig = DiscordConfig()
    telegram: TelegramConfig = TelegramConfig()
    web: WebConfig = WebConfig()
    news: NewsConfig = NewsConfig()
    tools: ToolsConfig = ToolsConfig()
    finetuning: FineTuningConfig = FineTuningConfig()
    retraining: RetrainingConfig = RetrainingConfig()
    audience: AudienceConfig = AudienceConfig()
    log: LogConfig = LogConfig()
    root: Path = Field(default=Path("."), exclude=True)
    """Folder of config.toml; not a key of the file."""

    @property
    def active_profile(self) -> ProfileConfig:
        """The chosen base model."""
        return self.profiles[self.profile]

    def path(self, value: str) -> Path:
        """A path of the file, resolved against the file's folder."""
        return (self.root / Path(value).expanduser()).resolve()

    @property
    def data_path(self) -> Path:
        """Where the database, the index and the logs live."""
        return self.path(self.data_dir)

    @property
    def upload_path(self) -> Path:
        """Where documents lie that a fine-tuning may name."""
        named = self.finetuning.upload_dir
        return self.path(named) if named else self.data_path / "uploads"

    @property
    def persona_path(self) -> Path:
        """Folder of the persona that answers."""
        return self.path(self.persona)

    @property
    def model_ref(self) -> str:
        """The base model: an absolute folder if there is one of that name, else a hub id."""
        folder = self.path(self.active_profile.model)
        return str(folder) if folder.is_dir() else self.active_profile.model

    def strength_of(self, adapter: str) -> float:
        """Where the active profile dials an adapter to at the start."""
        return self.active_profile.strengths.get(adapter, 1.0)

    @property
    def reader_path(self) -> Path | None:
        """The folder of the profile's reader; None where it has none."""
        return self.path(self.active_profile.reader) if self.active_profile.reader else None

    @property
    def history_url(self) -> str:
        """SQLAlchemy async URL of the database."""
        if self.history.url:
            return self.history.url
        from sqlalchemy import URL  # not at import: --help has no use for it

        url = URL.create("sqlite+aiosqlite", database=str(self.data_path / "understudy.db"))
        return url.render_as_string(hide_password=False)


def load_config(path: Path) -> Config:
    """Read and check config.toml.

    Raises:
        ConfigError: the file is missing, is no TOML, or a key is unknown or has a bad value; the
            message names file, key, value and what is allowed.
    """
    data = read_toml(path, "name another with --config")
    if "root" in data:
        raise ConfigError(f"{path}: root is not a known key.")
    return parse_config(data, path)


def parse_config(data: dict[str, Any], path: Path) -> Config:
    """Check the parsed content of config.toml; see `load_config`."""
    config = checked(Config, {**data, "root": path.resolve().parent}, path)
    if config.profile not in config.profiles:
        allowed = ", ".join(sorted(config.profiles))
        raise ConfigError(f'{path}: profile is "{config.profile}"; allowed: {allowed}.')
    return config
