"""Record what a provider sends, and replay it: exact to the byte, timed, without secrets.

::

    client = StreamingClient(config, record="answer.jsonl")     # records while it streams
    async for chunk in load("answer.jsonl").stream(speed=2):    # the same chunks, twice as fast
        ...

A recording is JSON Lines, for `jq`, `grep` and a text editor; `rxwizard.recording.lines` says what
stands in it.
"""

from rxwizard.recording.exchange import Exchange as Exchange
from rxwizard.recording.exchange import Read as Read
from rxwizard.recording.load import load as load
from rxwizard.recording.recorder import Recorder as Recorder
from rxwizard.recording.recording import Recording as Recording
from rxwizard.recording.replay import ReplayWire as ReplayWire
from rxwizard.recording.replay import Split as Split
from rxwizard.recording.wire import RecordingWire as RecordingWire
