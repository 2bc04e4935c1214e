from __future__ import annotations

import pickle

import pytest
from pydantic import SecretStr, ValidationError

from rxwizard import ConfigError, DeadlineConfig, StreamingConfig, WizardConfig
from rxwizard.providers import PROTOCOLS, VENDORS, find_vendor

KEY = "sk-1234567890"


# -- the model -------------------------------------------------------------------------------


def test_the_model_is_split_at_the_first_colon() -> None:
    config = WizardConfig(model="openrouter:anthropic/claude-sonnet-4.5:beta", api_key=KEY)

    assert config.provider == "openrouter"
    assert config.model_name == "anthropic/claude-sonnet-4.5:beta"
    assert config.vendor is VENDORS["openrouter"]


@pytest.mark.parametrize("model", ["", "gpt-4.1", ":gpt-4.1", "openai:", None, 7])
def test_a_model_without_a_provider_is_refused_with_an_example(model: object) -> None:
    with pytest.raises(ConfigError, match=r"provider:model.*WIZARD_MODEL"):
        WizardConfig(model=model, api_key=KEY)  # type: ignore[arg-type]


def test_an_unknown_provider_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r'"nobody".*anthropic.*openai.*xai'):
        WizardConfig(model="nobody:m", api_key=KEY)


# -- the key ---------------------------------------------------------------------------------


def test_a_key_is_a_secret() -> None:
    config = WizardConfig(model="openai:m", api_key=KEY)

    assert isinstance(config.api_key, SecretStr)
    assert config.api_key.get_secret_value() == KEY
    assert KEY not in repr(config) + str(config) + config.model_dump_json()


@pytest.mark.parametrize("key", [f" {KEY}\n", SecretStr(KEY), SecretStr(f"\t{KEY}")])
def test_blanks_around_a_key_are_dropped(key: str | SecretStr) -> None:
    config = WizardConfig(model="openai:m", api_key=key)

    assert config.api_key is not None
    assert config.api_key.get_secret_value() == KEY


@pytest.mark.parametrize("name", [v.name for v in VENDORS.values() if v.key_required])
def test_a_missing_key_names_the_variable_to_set(name: str) -> None:
    with pytest.raises(ConfigError, match="needs an API key") as caught:
        WizardConfig(model=f"{name}:m")

    for variable in VENDORS[name].key_variables:
        assert variable in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", "\n"])
def test_an_empty_key_names_the_variable_to_set(key: str) -> None:
    with pytest.raises(ConfigError, match="has an empty API key: set OPENAI_API_KEY"):
        WizardConfig(model="openai:m", api_key=key)


def test_an_empty_key_of_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        WizardConfig(model="openai:m")


@pytest.mark.parametrize("key", ["sk-ü", "sk-\x00", "sk-a\nb", "“sk”"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="api_key cannot be used") as caught:
        WizardConfig(model="openai:m", api_key=key)

    assert key not in str(caught.value)


@pytest.mark.parametrize("name", [v.name for v in VENDORS.values() if not v.key_required])
def test_a_server_of_ones_own_needs_no_key(name: str) -> None:
    assert WizardConfig(model=f"{name}:m").api_key is None


# -- the environment -------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENDORS)
def test_the_key_is_found_in_every_variable_of_the_table_ours_first(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"{name.upper().replace('-', '_')}_API_KEY"
    variables = VENDORS[name].key_variables

    assert variables[0] == own
    for variable in reversed(variables):
        monkeypatch.setenv(variable, f"from {variable}")
        found = WizardConfig(model=f"{name}:m").api_key

        assert found is not None
        assert found.get_secret_value() == f"from {variable}"


@pytest.mark.parametrize("name", VENDORS)
def test_the_endpoint_is_found_in_every_variable_of_the_table_ours_first(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = VENDORS[name].endpoint_variables

    assert variables[0] == f"{name.upper().replace('-', '_')}_ENDPOINT"
    for variable in reversed(variables):
        monkeypatch.setenv(variable, f"http://{variable.lower()}")

        assert WizardConfig(model=f"{name}:m", api_key=KEY).endpoint == f"http://{variable.lower()}"


def test_what_is_passed_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    monkeypatch.setenv("OPENAI_ENDPOINT", "http://other")
    config = WizardConfig(model="openai:m", api_key=KEY, endpoint="http://mine")

    assert config.api_key is not None
    assert (config.api_key.get_secret_value(), config.endpoint) == (KEY, "http://mine")


def test_from_env_reads_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "WIZARD_MODEL": "openai:m",
        "OPENAI_API_KEY": KEY,
        "WIZARD_TEMPERATURE": "0.5",
        "WIZARD_TOP_P": "0.25",
        "WIZARD_MAX_TOKENS": "9",
        "WIZARD_SEED": "7",
        "WIZARD_DEADLINES_CONNECT": "1.5",
        "WIZARD_DEADLINES_IDLE": "2",
    }.items():
        monkeypatch.setenv(name, value)
    config = WizardConfig.from_env()

    assert config == WizardConfig(
        model="openai:m",
        api_key=KEY,
        temperature=0.5,
        top_p=0.25,
        max_tokens=9,
        seed=7,
        deadlines=DeadlineConfig(connect=1.5, idle=2.0),
    )


def test_from_env_takes_overrides_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIZARD_MODEL", "openai:m")
    monkeypatch.setenv("WIZARD_TEMPERATURE", "hot")
    config = WizardConfig.from_env(model="ollama:m", temperature=1.0)

    assert (config.model, config.temperature) == ("ollama:m", 1.0)


def test_from_env_takes_the_first_provider_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    assert WizardConfig.from_env().provider == "groq"
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert WizardConfig.from_env().provider == "anthropic"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert WizardConfig.from_env().model == f"openai:{VENDORS['openai'].default_model}"


def test_from_env_with_nothing_configured_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"WIZARD_MODEL.*OPENAI_API_KEY.*simulator"):
        WizardConfig.from_env()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("WIZARD_TEMPERATURE", "hot"), ("WIZARD_MAX_TOKENS", "0"), ("WIZARD_TOP_P", "1.5")],
)
def test_a_setting_of_the_environment_that_cannot_be_used_names_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIZARD_MODEL", "ollama:m")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=variable):
        WizardConfig.from_env()


# -- numbers and addresses -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("temperature", float("nan")),
        ("top_p", -0.1),
        ("top_p", 1.1),
        ("max_tokens", 0),
        ("max_tokens", -1),
        ("max_tokens", 1.5),
        ("seed", "x"),
        ("deadlines", 5),
        ("endpoint", ""),
        ("endpoint", "   "),
        ("endpoint", "http://x.example/a b"),
        ("stop", 7),
        ("headers", {"a": 1}),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name}.* cannot be used"):
        WizardConfig(model="openai:m", api_key=KEY, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", 0), ("temperature", 2), ("top_p", 0), ("top_p", 1), ("seed", None)],
)
def test_a_value_at_the_edge_is_accepted(name: str, value: object) -> None:
    assert getattr(WizardConfig(model="openai:m", api_key=KEY, **{name: value}), name) == value


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "soon"])
@pytest.mark.parametrize("name", ["connect", "headers", "first_token", "idle", "window", "total"])
def test_a_clock_out_of_range_is_refused_by_name(name: str, seconds: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} cannot be used"):
        WizardConfig(model="openai:m", api_key=KEY, deadlines={name: seconds})


@pytest.mark.parametrize("name", ["headers", "first_token", "idle", "min_rate", "total"], ids=str)
def test_a_clock_can_be_left_out(name: str) -> None:
    deadlines = DeadlineConfig(**{name: None})

    assert getattr(deadlines, name) is None
    assert WizardConfig(model="openai:m", api_key=KEY, deadlines=deadlines).deadlines == deadlines


def test_the_clocks_have_sensible_defaults() -> None:
    deadlines = WizardConfig(model="openai:m", api_key=KEY).deadlines

    assert (deadlines.connect, deadlines.headers, deadlines.first_token) == (10, 600, 600)
    assert (deadlines.idle, deadlines.heartbeats) == (120, False)
    assert (deadlines.min_rate, deadlines.total) == (None, None)


def test_several_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        WizardConfig(model="openai:m", api_key=KEY, temperature=9, top_p=9)

    assert "temperature" in str(caught.value)
    assert "top_p" in str(caught.value)


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="temprature"):
        WizardConfig(model="openai:m", api_key=KEY, temprature=1)


def test_a_config_is_frozen_and_can_be_pickled() -> None:
    config = WizardConfig(model="openai:m", api_key=KEY)
    with pytest.raises(ValidationError):
        config.model = "x"  # type: ignore[misc]

    assert pickle.loads(pickle.dumps(config)) == config


# -- how it flows ----------------------------------------------------------------------------


def test_streaming_settings_are_made_step_by_step() -> None:
    plain = StreamingConfig()
    other = StreamingConfig(64).with_backpressure(False).with_buffer_size(8)

    assert (plain.buffer_size, plain.backpressure) == (64, True)
    assert (other.buffer_size, other.backpressure) == (8, False)
    assert StreamingConfig(buffer_size=3) == StreamingConfig(3)
    assert StreamingConfig(64) == plain


def test_each_with_keeps_the_other_settings() -> None:
    config = StreamingConfig(8, heartbeats=True, raw=True, read_bufsize=2048)
    kept = config.with_backpressure(False).with_buffer_size(9)

    assert (kept.heartbeats, kept.raw, kept.read_bufsize) == (True, True, 2048)
    assert config.backpressure is True


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("buffer_size", 0),
        ("buffer_size", -1),
        ("buffer_size", "many"),
        ("max_ahead", 0),
        ("max_event_bytes", 0),
        ("read_bufsize", 1),
        ("no_such_setting", 1),
    ],
)
def test_streaming_settings_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        StreamingConfig(**{name: value})


def test_with_checks_its_number_as_well() -> None:
    with pytest.raises(ConfigError, match="buffer_size"):
        StreamingConfig().with_buffer_size(0)


# -- the table of vendors --------------------------------------------------------------------


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS.keys())
def test_every_line_of_the_table_can_be_used(vendor) -> None:
    assert vendor.protocol in PROTOCOLS
    assert vendor.endpoint is None or vendor.endpoint.startswith(("https://", "http://localhost"))
    assert vendor.endpoint is None or not vendor.endpoint.endswith("/")
    assert find_vendor(vendor.name) is vendor
    assert WizardConfig(model=f"{vendor.name}:m", api_key=KEY).vendor is vendor


def test_the_vendors_of_the_contract_are_there() -> None:
    assert {
        *("openai", "anthropic", "ollama", "simulator", "openai-compatible"),
        *("deepseek", "xai", "groq", "mistral", "openrouter", "together", "perplexity"),
        *("huggingface", "vllm", "llamacpp", "lmstudio"),
    } <= VENDORS.keys()
