"""One limiter for each account, one breaker for each endpoint, for the whole process.

Clients come and go, some for a single answer, while what is known of an endpoint holds for all of
them. So the last `MAX_KEPT` of each kind are kept, used or not; one that is older lives for as long
as somebody has it, and until then it is still the one that others get.

Clients with other settings for the same endpoint have objects of their own: nobody's limits change
because somebody else has set others.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

from rxwizard.admission.breaker import CircuitBreaker
from rxwizard.admission.limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pydantic import SecretStr

    from rxwizard.policies import CircuitConfig, RateLimitConfig

T = TypeVar("T")

#: Limiters, and breakers, that are kept although nobody uses them: a few hundred bytes each.
MAX_KEPT = 1000

#: Makes the hash of a key one that is of no use to anybody outside of this process.
_SALT = secrets.token_bytes(16)


def endpoint_key(url: str) -> str:
    """Name an endpoint by its URL, without what may be secret: user, password, query."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL at all, which the transport says
        return "the endpoint"
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host}{parts.path}".rstrip("/")


def limit_key(url: str, model: str, api_key: SecretStr | None) -> tuple[str, str, bytes]:
    """Name what limits are counted by: an endpoint, a model and a key, which cannot be read off."""
    plain = "" if api_key is None else api_key.get_secret_value()
    hashed = hashlib.blake2b(plain.encode(), key=_SALT, digest_size=16).digest()
    return endpoint_key(url), model, hashed


def limiter_for(key: Hashable, config: RateLimitConfig) -> RateLimiter:
    """Give the limiter of this key with these settings: the same one for all who ask."""
    return _limiters.find((key, config), lambda: RateLimiter(config))


def breaker_for(key: Hashable, config: CircuitConfig, name: str = "the endpoint") -> CircuitBreaker:
    """Give the breaker of this key with these settings: the same one for all who ask.

    Args:
        key: What an endpoint is told apart by; `endpoint_key` gives one.
        config: When it opens.
        name: What the endpoint is called in the log and in errors, if this is the first to ask.
    """
    return _breakers.find((key, config), lambda: CircuitBreaker(config, name))


def forget_all() -> None:
    """Have whoever asks from now on begin afresh. For tests: those that were given go on."""
    _limiters.clear()
    _breakers.clear()


class _Shared(Generic[T]):
    def __init__(self) -> None:
        self._alive: weakref.WeakValueDictionary[Hashable, T] = weakref.WeakValueDictionary()
        #: The last that were asked for, the latest at the end.
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.RLock()

    def find(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            found = self._alive.get(key)
            if found is None:
                found = self._alive[key] = make()
            self._kept[key] = found
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
            return found

    def clear(self) -> None:
        with self._lock:
            self._alive.clear()
            self._kept.clear()


_limiters: _Shared[RateLimiter] = _Shared()
_breakers: _Shared[CircuitBreaker] = _Shared()
