"""The table of providers: everything about a vendor that is data.

Adding a vendor that speaks a wire protocol we know is one line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxwizard.errors import ConfigError

Prefill: TypeAlias = Literal["last", "prefix", "partial", "continue"]
"""How the beginning of an answer is marked, which the model is to go on from. It is the last message,
and the assistant's. That is all for "last"; it has a field ``prefix: true``, or ``partial: true``;
or the request has ``continue_final_message: true``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One provider, as data.

    Attributes:
        name: What stands before the colon in ``model="name:model"``.
        protocol: The wire protocol it speaks, a key of `rxwizard.providers.PROTOCOLS`.
        endpoint: Base URL as the vendor's own SDK takes it; None where there is no default.
        keys: Environment variables that hold the API key, first one set wins.
        endpoint_path: What is added to an endpoint that names only a host, for vendors whose own
            variable holds no more.
        endpoints: Environment variables that hold the endpoint, first one set wins.
        regions: Environment variables that hold the region that stands for ``{region}`` in
            `endpoint`, first one set wins.
        key_header: The header that carries the key; ``Authorization`` carries it as a bearer token.
        key_required: Whether a request without a key can never succeed.
        default_model: The model taken where nobody names one; None: one must be named.
        done_is_terminal: Whether ``[DONE]`` alone ends an answer, for vendors that send no finish
            reason.
        stream_usage: Whether usage has to be asked for with ``stream_options.include_usage``.
        in_process: Whether it is the built-in simulator, which the client starts itself.
        max_tokens_field: What this vendor calls the limit of the answer's length.
        seed_field: What this vendor calls the seed; a name it does not know is an error to some.
        model_path: Where its models are below the endpoint, in protocols whose URL names the model.
        prefill: How it is given the beginning of an answer to go on from; None: it takes none.
        prefill_models: What names of models have in them that are known to go on from it, one of
            these; empty: all.
        prefill_echoed: Whether its answer then begins with that beginning.
    """

    name: str
    protocol: str = "chat"
    endpoint: str | None = None
    endpoint_path: str = ""
    keys: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    key_header: str = "Authorization"
    key_required: bool = True
    default_model: str | None = None
    done_is_terminal: bool = False
    stream_usage: bool = True
    in_process: bool = False
    max_tokens_field: str = "max_tokens"
    seed_field: str = "seed"
    model_path: str = "/models"
    prefill: Prefill | None = None
    prefill_models: tuple[str, ...] = ()
    prefill_echoed: bool = False

    @property
    def key_variables(self) -> tuple[str, ...]:
        """All environment variables read for the key, ours first."""
        return _own_first(self.name, "API_KEY", self.keys)

    @property
    def endpoint_variables(self) -> tuple[str, ...]:
        """All environment variables read for the endpoint, ours first."""
        return _own_first(self.name, "ENDPOINT", self.endpoints)


def _own_first(name: str, suffix: str, others: tuple[str, ...]) -> tuple[str, ...]:
    own = f"{name.upper().replace('-', '_')}_{suffix}"
    return (own, *(variable for variable in others if variable != own))


# fmt: off
_TABLE = (
    Vendor(name="openai", endpoint="https://api.openai.com/v1", endpoints=("OPENAI_BASE_URL",), default_model="gpt-5.4-mini", max_tokens_field="max_completion_tokens"),
    Vendor(name="openai-responses", protocol="responses", endpoint="https://api.openai.com/v1", keys=("OPENAI_API_KEY",), endpoints=("OPENAI_BASE_URL",), default_model="gpt-5.4-mini"),
    Vendor(name="anthropic", protocol="messages", key_header="x-api-key", endpoint="https://api.anthropic.com", endpoints=("ANTHROPIC_BASE_URL",), default_model="claude-sonnet-5-5", prefill="last", prefill_models=("claude",)),
    Vendor(name="gemini", protocol="gemini", key_header="x-goog-api-key", endpoint="https://generativelanguage.googleapis.com/v1beta", keys=("GOOGLE_API_KEY",), default_model="gemini-2.5-flash"),
    Vendor(name="vertex", protocol="gemini", keys=("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"), model_path="/publishers/google/models"),
    Vendor(name="ollama", protocol="ollama", endpoint="http://localhost:11434", endpoints=("OLLAMA_HOST",), key_required=False, prefill="last"),
    Vendor(name="bedrock", protocol="converse", endpoint="https://bedrock-runtime.{region}.amazonaws.com", regions=("AWS_REGION", "AWS_DEFAULT_REGION"), keys=("AWS_BEARER_TOKEN_BEDROCK",), key_required=False, prefill="last", prefill_models=("claude",)),
    Vendor(name="bedrock-anthropic", protocol="bedrock-messages", endpoint="https://bedrock-runtime.{region}.amazonaws.com", regions=("AWS_REGION", "AWS_DEFAULT_REGION"), keys=("AWS_BEARER_TOKEN_BEDROCK",), key_required=False, prefill="last", prefill_models=("claude",)),
    Vendor(name="bedrock-nova", protocol="bedrock-nova", endpoint="https://bedrock-runtime.{region}.amazonaws.com", regions=("AWS_REGION", "AWS_DEFAULT_REGION"), keys=("AWS_BEARER_TOKEN_BEDROCK",), key_required=False),
    Vendor(name="vertex-anthropic", protocol="vertex-messages", keys=("VERTEX_API_KEY", "GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"), endpoints=("VERTEX_ENDPOINT",), model_path="/publishers/anthropic/models", prefill="last", prefill_models=("claude",)),
    Vendor(name="simulator", default_model="default", key_required=False, in_process=True),

    Vendor(name="openai-compatible", key_required=False, done_is_terminal=True),
    Vendor(name="azure", keys=("AZURE_OPENAI_API_KEY",), endpoints=("AZURE_OPENAI_ENDPOINT",), endpoint_path="/openai/v1", key_header="api-key", max_tokens_field="max_completion_tokens"),
    Vendor(name="azure-responses", protocol="responses", keys=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"), endpoints=("AZURE_ENDPOINT", "AZURE_OPENAI_ENDPOINT"), endpoint_path="/openai/v1", key_header="api-key"),
    Vendor(name="alibaba", endpoint="https://dashscope-intl.aliyuncs.com/compatible-mode/v1", keys=("DASHSCOPE_API_KEY",), prefill="partial", prefill_models=("qwen",)),
    Vendor(name="cerebras", endpoint="https://api.cerebras.ai/v1"),
    Vendor(name="cohere", protocol="cohere", endpoint="https://api.cohere.com/v2", keys=("CO_API_KEY",), default_model="command-a-03-2025"),
    Vendor(name="deepseek", endpoint="https://api.deepseek.com", default_model="deepseek-chat"),
    Vendor(name="deepseek-responses", protocol="responses", endpoint="https://api.deepseek.com", keys=("DEEPSEEK_API_KEY",)),
    Vendor(name="fireworks", endpoint="https://api.fireworks.ai/inference/v1"),
    Vendor(name="groq", endpoint="https://api.groq.com/openai/v1", endpoints=("GROQ_BASE_URL",), default_model="llama-3.3-70b-versatile", prefill="last", prefill_models=("llama",)),
    Vendor(name="huggingface", endpoint="https://router.huggingface.co/v1", keys=("HF_TOKEN",)),
    Vendor(name="llamacpp", endpoint="http://localhost:8080/v1", key_required=False, prefill="last"),
    Vendor(name="lmstudio", endpoint="http://localhost:1234/v1", key_required=False),
    Vendor(name="mistral", endpoint="https://api.mistral.ai/v1", default_model="mistral-small-latest", stream_usage=False, seed_field="random_seed", prefill="prefix", prefill_echoed=True),
    Vendor(name="moonshot", endpoint="https://api.moonshot.ai/v1", prefill="partial"),
    Vendor(name="openrouter", endpoint="https://openrouter.ai/api/v1", endpoints=("OPENROUTER_BASE_URL",), default_model="openrouter/auto", prefill="last", prefill_models=("claude",)),
    Vendor(name="openrouter-responses", protocol="responses", endpoint="https://openrouter.ai/api/v1", keys=("OPENROUTER_API_KEY",), endpoints=("OPENROUTER_BASE_URL",), default_model="openrouter/auto"),
    Vendor(name="perplexity", endpoint="https://api.perplexity.ai", keys=("PPLX_API_KEY",), default_model="sonar", stream_usage=False),
    Vendor(name="snowflake", keys=("SNOWFLAKE_PAT",), done_is_terminal=True),
    Vendor(name="together", endpoint="https://api.together.xyz/v1"),
    Vendor(name="venice", endpoint="https://api.venice.ai/api/v1"),
    Vendor(name="vercel", endpoint="https://ai-gateway.vercel.sh/v1", keys=("AI_GATEWAY_API_KEY",)),
    Vendor(name="vllm", endpoint="http://localhost:8000/v1", key_required=False, prefill="continue"),
    Vendor(name="xai", endpoint="https://api.x.ai/v1", default_model="grok-4-fast"),
    Vendor(name="xai-responses", protocol="responses", endpoint="https://api.x.ai/v1", keys=("XAI_API_KEY",), default_model="grok-4-fast"),
    Vendor(name="zai", endpoint="https://api.z.ai/api/paas/v4"),
)
# fmt: on

VENDORS: dict[str, Vendor] = {vendor.name: vendor for vendor in _TABLE}


def find_vendor(name: str) -> Vendor:
    """Look a provider up by the name before the colon.

    Raises:
        ConfigError: There is none of this name; the message lists those there are.
    """
    try:
        return VENDORS[name]
    except KeyError:
        known = ", ".join(sorted(VENDORS))
        message = f'There is no provider named "{name}". There are: {known}.'
        raise ConfigError(message) from None
