"""Signing requests to Bedrock with an AWS account's own credentials, where there is no bearer key.

botocore does it, as an extra: it finds the credentials (environment, profile, role) and knows the
rules of Signature Version 4.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from rxwizard.providers.protocol import RequestSettings, Sign
    from rxwizard.providers.vendors import Vendor

#: The headers of a signature. A server that refuses it shows what it has signed instead.
_SHOWN = ("X-Amz-Date",)
_SECRET = ("Authorization", "X-Amz-Security-Token")


def signer(settings: RequestSettings, vendor: Vendor) -> Sign | None:
    """Give what signs a request to Bedrock; None where a bearer key makes it needless.

    The credentials are looked for when a request is signed, and kept nowhere.
    """
    if settings.api_key is not None:
        return None
    names = " or ".join(vendor.key_variables)
    wanted = f'The provider "{vendor.name}" needs a key: set {names}'

    def sign(url: str, body: bytes) -> tuple[Mapping[str, str], Mapping[str, SecretStr]]:
        try:
            # Untyped, and not there for everybody: so no checker is told to look for it.
            botocore: Any = import_module("botocore.session")
            auth: Any = import_module("botocore.auth")
            requests: Any = import_module("botocore.awsrequest")
            exceptions: Any = import_module("botocore.exceptions")
        except ImportError:
            message = f'{wanted}; or sign with AWS credentials: pip install "rxwizard[aws]".'
            raise ConfigError(message) from None
        region = _region_in(url) or next(filter(None, map(os.environ.get, vendor.regions)), None)
        if not region:
            message = f"A request to {url} is signed for a region: set {vendor.regions[0]}."
            raise ConfigError(message)
        try:
            credentials = botocore.Session().get_credentials()
            if credentials is None:
                message = f"{wanted}; or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile."
                raise ConfigError(message)
            # Without the other headers, which the user may change: host and date are enough.
            request = requests.AWSRequest("POST", url, data=body)
            frozen = credentials.get_frozen_credentials()
            auth.SigV4Auth(frozen, "bedrock", region).add_auth(request)
        except exceptions.BotoCoreError as error:
            message = f"The AWS credentials cannot be used: {error}"
            raise ConfigError(message) from None
        headers = request.headers
        return (
            {name: headers[name] for name in _SHOWN},
            {name: SecretStr(headers[name]) for name in _SECRET if name in headers},
        )

    return sign


def _region_in(url: str) -> str | None:
    """Find the region in the name of an AWS host."""
    found = re.match(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.", urlsplit(url).hostname or "")
    return found and found[1]
