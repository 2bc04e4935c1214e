"""Models as others host them: events of a protocol we know, asked for at another place.

Sources: https://docs.anthropic.com/en/api/claude-on-amazon-bedrock, the same for Vertex AI, and
recordings. The model stands in the URL and the version in the body.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from urllib.parse import quote

from rxwizard.decoders import SSEDecoder
from rxwizard.errors import ConfigError
from rxwizard.prompts import Prompt
from rxwizard.providers.anthropic import MessagesReader, messages_request
from rxwizard.providers.aws import EnvelopeDecoder, chunk_data
from rxwizard.providers.bedrock import ConverseReader, converse_request, model_url
from rxwizard.providers.protocol import RequestSettings, WireProtocol, WireRequest
from rxwizard.providers.requests import endpoint_of
from rxwizard.providers.sigv4 import signer
from rxwizard.providers.vendors import Vendor


def bedrock_messages_request(
    prompt: Prompt, settings: RequestSettings, vendor: Vendor
) -> WireRequest:
    """Make the request for a prompt to a model that Amazon hosts.

    Raises:
        ConfigError: As for Anthropic's own API; an image is a URL; or there is neither a key nor a
            way to sign.
    """
    request = _hosted(prompt, settings, vendor, "bedrock-2023-05-31", without={"model", "stream"})
    url = model_url(settings, vendor, "invoke-with-response-stream")
    return replace(request, url=url, sign=signer(settings, vendor))


def vertex_messages_request(
    prompt: Prompt, settings: RequestSettings, vendor: Vendor
) -> WireRequest:
    """Make the request for a prompt to a model that Google hosts.

    Raises:
        ConfigError: As for Anthropic's own API; or an image is a URL.
    """
    request = _hosted(prompt, settings, vendor, "vertex-2023-10-16", without={"model"})
    name = quote(settings.model_name, safe="@")
    url = f"{endpoint_of(settings, vendor)}{vendor.model_path}/{name}:streamRawPredict"
    return replace(request, url=url)


def nova_request(prompt: Prompt, settings: RequestSettings, vendor: Vendor) -> WireRequest:
    """Make the request for a prompt to one of Amazon's own models, in their own form.

    It is Converse's in all but the version; `bedrock` asks the same models through Converse itself.

    Raises:
        ConfigError: As for Converse.
    """
    request = converse_request(prompt, settings, vendor)
    url = model_url(settings, vendor, "invoke-with-response-stream")
    return replace(request, url=url, body={"schemaVersion": "messages-v1", **request.body})


def _hosted(
    prompt: Prompt, settings: RequestSettings, vendor: Vendor, version: str, without: set[str]
) -> WireRequest:
    if any(image.url is not None for image in prompt.images):
        message = f'"{vendor.name}" fetches no image by URL, as Anthropic does: give its bytes.'
        raise ConfigError(message)
    request = messages_request(prompt, settings, vendor)
    needless = without - prompt.extra.keys()
    body = {name: value for name, value in request.body.items() if name not in needless}
    return replace(request, body={"anthropic_version": version, **body}, headers={})


BEDROCK_MESSAGES = WireProtocol(
    "bedrock-messages",
    request=bedrock_messages_request,
    decoder=partial(EnvelopeDecoder, chunk_data),
    reader=MessagesReader,
)
VERTEX_MESSAGES = WireProtocol(
    "vertex-messages", request=vertex_messages_request, decoder=SSEDecoder, reader=MessagesReader
)
BEDROCK_NOVA = WireProtocol(
    "bedrock-nova",
    request=nova_request,
    decoder=partial(EnvelopeDecoder, chunk_data),
    reader=ConverseReader,
)
