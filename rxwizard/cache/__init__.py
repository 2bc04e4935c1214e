"""Whole answers by request: asked for once, and played again as a stream.

    from rxwizard.cache import MemoryCache

    client = StreamingClient(config, cache=MemoryCache())

A cache keeps bytes under keys, within a bound; see `Cache`. What the bytes mean stands in
`entries.py`, when an answer is stored and when it is played in `caching.py`.
"""

from rxwizard.cache.caching import cached as cached
from rxwizard.cache.keys import request_key as request_key
from rxwizard.cache.memory import MemoryCache as MemoryCache
from rxwizard.cache.protocol import Cache as Cache
from rxwizard.cache.protocol import Pace as Pace
from rxwizard.cache.sqlite import SQLiteCache as SQLiteCache
