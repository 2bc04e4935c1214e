"""Who may ask now: rate limits and circuits, shared by all streams of a process."""

from rxwizard.admission.admitted import admitted as admitted
from rxwizard.admission.breaker import CircuitBreaker as CircuitBreaker
from rxwizard.admission.breaker import counts as counts
from rxwizard.admission.limiter import RateLimiter as RateLimiter
from rxwizard.admission.limiter import estimate_tokens as estimate_tokens
from rxwizard.admission.registry import breaker_for as breaker_for
from rxwizard.admission.registry import endpoint_key as endpoint_key
from rxwizard.admission.registry import forget_all as forget_all
from rxwizard.admission.registry import limit_key as limit_key
from rxwizard.admission.registry import limiter_for as limiter_for
