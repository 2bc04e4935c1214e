"""Operators over the chunks of an answer, to be composed with each other and with reactivex's own.

    from rxwizard import operators as ops

    stream.pipe(ops.text(), ops.buffer_sentences())

An operator is a function from one Observable to another; its state is born at subscription, so
subscribers share none. Unless an operator says otherwise, completion and errors pass through at
once, an error after what was held back, and disposing lets go of the source at once.
"""

from rxwizard.operators.collect import to_response as to_response
from rxwizard.operators.making import Operator as Operator
from rxwizard.operators.sentences import buffer_sentences as buffer_sentences
from rxwizard.operators.text import accumulate as accumulate
from rxwizard.operators.text import reasoning as reasoning
from rxwizard.operators.text import text as text
