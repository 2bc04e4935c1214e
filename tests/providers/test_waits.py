"""How long to wait: every form a provider says it in, and nonsense passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard.providers.waits import retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def wait(
    headers: dict[str, str] | None = None, status: int = 429, details: tuple[object, ...] = ()
) -> float | None:
    return retry_after(headers or {}, status, details, NOW)


SAID: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"retry-after": "20"}, 20.0),
    "seconds, float": ({"retry-after": "0.5"}, 0.5),
    "seconds, none": ({"retry-after": "0"}, 0.0),
    "a date": ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
    "a date of another zone": ({"retry-after": "Tue, 14 Nov 2023 23:13:50 +0100"}, 30.0),
    "a date without a zone": ({"retry-after": "Tue, 14 Nov 2023 22:13:50"}, 30.0),
    "a date gone by": ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
    "milliseconds": ({"retry-after-ms": "1500"}, 1.5),
    "milliseconds before seconds": ({"retry-after": "1", "retry-after-ms": "0"}, 0.0),
    "nonsense, then seconds": ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
    "a word": ({"retry-after": "soon"}, None),
    "nothing": ({"retry-after": ""}, None),
    "less than nothing": ({"retry-after": "-1"}, None),
    "not a number": ({"retry-after": "nan"}, None),
    "for ever": ({"retry-after": "inf"}, None),
    "a day that is none": ({"retry-after": "Tue, 99 Nov 2023 22:13:50 GMT"}, None),
    "a year beyond time": ({"retry-after": "Tue, 14 Nov 99999 22:13:50 GMT"}, None),
    "no header": ({}, None),
}


@pytest.mark.parametrize(("headers", "expected"), SAID.values(), ids=SAID.keys())
@pytest.mark.parametrize("status", [429, 503, 500])
def test_the_header_is_read(headers: dict[str, str], expected: float | None, status: int) -> None:
    assert wait(headers, status) == expected


@pytest.mark.parametrize("status", [200, 201])
def test_on_success_the_headers_mean_nothing(status: int) -> None:
    # Anthropic sends 14 to 62, and Hugging Face 30, with answers.
    assert wait({"retry-after": "30", "retry-after-ms": "9"}, status) is None


RESETS: dict[str, tuple[str, float | None]] = {
    "milliseconds": ("120ms", 0.12),
    "seconds": ("6s", 6.0),
    "seconds, float": ("2.5s", 2.5),
    "minutes and seconds": ("1m2s", 62.0),
    "hours": ("1h0m0.5s", 3600.5),
    "a day": ("1d", 86400.0),
    "RFC 3339": ("2023-11-14T22:13:50Z", 30.0),
    "RFC 3339, zone": ("2023-11-14T23:13:50+01:00", 30.0),
    "RFC 3339, fraction": ("2023-11-14T22:13:50.500Z", 30.5),
    "RFC 3339, gone by": ("2023-11-14T22:00:00Z", 0.0),
    "whole seconds": ("59", 59.0),
    "epoch milliseconds": ("1700000030000", 30.0),
    "epoch milliseconds, gone by": ("1690000000000", 0.0),
    "epoch seconds": ("1700000030", 30.0),
    "a word": ("soon", None),
    "nothing": ("", None),
    "a unit alone": ("s", None),
    "a number and a word": ("6 parsecs", None),
    "a month that is none": ("2023-13-14T22:13:50Z", None),
    "a minus": ("-5", None),
}


@pytest.mark.parametrize(("text", "expected"), RESETS.values(), ids=RESETS.keys())
def test_a_reset_is_read_in_every_form(text: str, expected: float | None) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text}

    assert wait(headers) == (None if expected is None else pytest.approx(expected))


def test_a_reset_counts_only_on_429() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6s"}

    assert (wait(headers, 429), wait(headers, 503), wait(headers, 200)) == (6.0, None, None)


def test_a_reset_counts_only_where_nothing_remains() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "99",
        "x-ratelimit-reset-requests": "1h0m0s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6s",
    }

    assert wait(headers) == 6.0


def test_of_several_resets_the_largest_counts() -> None:
    headers = {
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:21Z",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:50Z",
    }

    assert wait(headers) == 30.0


def test_a_lone_reset_counts() -> None:
    assert wait({"x-ratelimit-reset": "1700000030000"}) == 30.0


def test_a_reset_with_something_left_says_nothing() -> None:
    assert wait({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "30"}) is None


def test_the_header_goes_before_the_body_and_the_reset() -> None:
    headers = {"retry-after": "1", "x-ratelimit-reset": "30"}
    details = ({"retryDelay": "31s"},)

    assert wait(headers, 429, details) == 1.0
    assert wait({"x-ratelimit-reset": "30"}, 429, details) == 31.0


@pytest.mark.parametrize(
    ("delay", "expected"),
    [("31s", 31.0), ("48.939935699s", 48.939935699), ("0s", 0.0), ("soon", None), (31, None)],
)
def test_the_retry_info_of_google_is_read(delay: object, expected: float | None) -> None:
    details = (
        "words",
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    )

    assert wait({}, 429, details) == expected


@given(
    st.dictionaries(
        st.sampled_from(
            ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-remaining"]
        ),
        st.text(max_size=40) | st.from_regex(r"[0-9.:TZ+smhd ,-]{0,30}", fullmatch=True),
    )
)
def test_no_header_is_an_exception_and_every_wait_is_a_sane_number(
    headers: dict[str, str],
) -> None:
    seconds = wait(headers)

    assert seconds is None or 0 <= seconds < float("inf")
