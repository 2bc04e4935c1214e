"""Operators over the chunks of an answer, to be composed with each other and with reactivex's own.

    from rxwizard import operators as ops

    stream.pipe(ops.text(), ops.buffer_sentences())

An operator is a function from one Observable to another; its state is born at subscription, so
subscribers share none. Unless an operator says otherwise, completion and errors pass through at
once, an error after what was held back, and disposing lets go of the source at once.
"""

from rxwizard.operators import known_patterns as known_patterns
from rxwizard.operators.accumulate import accumulate as accumulate
from rxwizard.operators.accumulate import accumulate_text as accumulate_text
from rxwizard.operators.accumulate import collect as collect
from rxwizard.operators.buffer import buffer as buffer
from rxwizard.operators.buffer import buffer_characters as buffer_characters
from rxwizard.operators.buffer import buffer_lines as buffer_lines
from rxwizard.operators.buffer import buffer_paragraphs as buffer_paragraphs
from rxwizard.operators.buffer import buffer_tokens as buffer_tokens
from rxwizard.operators.buffer import buffer_until as buffer_until
from rxwizard.operators.buffer import buffer_words as buffer_words
from rxwizard.operators.cleaning import redact as redact
from rxwizard.operators.cleaning import replace as replace
from rxwizard.operators.cleaning import split_think_tags as split_think_tags
from rxwizard.operators.cleaning import strip_fences as strip_fences
from rxwizard.operators.combine import Answered as Answered
from rxwizard.operators.combine import Named as Named
from rxwizard.operators.combine import concat_streams as concat_streams
from rxwizard.operators.combine import map_prompts as map_prompts
from rxwizard.operators.combine import merge_streams as merge_streams
from rxwizard.operators.costs import budget as budget
from rxwizard.operators.costs import cost as cost
from rxwizard.operators.deadline import deadline as deadline
from rxwizard.operators.fallback import Alternative as Alternative
from rxwizard.operators.fallback import errors_as_chunks as errors_as_chunks
from rxwizard.operators.fallback import fallback_to as fallback_to
from rxwizard.operators.fallback import recover as recover
from rxwizard.operators.first_tokens import FirstTokenTimes as FirstTokenTimes
from rxwizard.operators.flow import batched as batched
from rxwizard.operators.flow import bounded as bounded
from rxwizard.operators.flow import map_async as map_async
from rxwizard.operators.flow import share as share
from rxwizard.operators.flow import zip_with as zip_with
from rxwizard.operators.graphemes import Unit as Unit
from rxwizard.operators.growing import GrowingArray as GrowingArray
from rxwizard.operators.growing import GrowingObject as GrowingObject
from rxwizard.operators.hedging import hedge as hedge
from rxwizard.operators.making import Operator as Operator
from rxwizard.operators.markdown import buffer_code_blocks as buffer_code_blocks
from rxwizard.operators.markdown import buffer_markdown as buffer_markdown
from rxwizard.operators.metrics import StreamMetrics as StreamMetrics
from rxwizard.operators.observe import heartbeat as heartbeat
from rxwizard.operators.observe import log as log
from rxwizard.operators.observe import progress as progress
from rxwizard.operators.observe import tap_metrics as tap_metrics
from rxwizard.operators.output_count import TokenCount as TokenCount
from rxwizard.operators.partial_models import PartialModel as PartialModel
from rxwizard.operators.pricing import Price as Price
from rxwizard.operators.racing import Contender as Contender
from rxwizard.operators.racing import race as race
from rxwizard.operators.reports import Progress as Progress
from rxwizard.operators.retry import Resumed as Resumed
from rxwizard.operators.retry import continue_on_cut as continue_on_cut
from rxwizard.operators.retry import retry_stream as retry_stream
from rxwizard.operators.select import choice as choice
from rxwizard.operators.select import final as final
from rxwizard.operators.select import reasoning as reasoning
from rxwizard.operators.select import text as text
from rxwizard.operators.select import tool_calls as tool_calls
from rxwizard.operators.select import usage as usage
from rxwizard.operators.sentences import buffer_sentences as buffer_sentences
from rxwizard.operators.spending import Cost as Cost
from rxwizard.operators.structured import json_items as json_items
from rxwizard.operators.structured import partial as partial
from rxwizard.operators.structured import partial_json as partial_json
from rxwizard.operators.structured import tool_arguments as tool_arguments
from rxwizard.operators.throttle import coalesce as coalesce
from rxwizard.operators.throttle import pace as pace
from rxwizard.operators.throttle import smooth as smooth
from rxwizard.operators.throttle import throttle_latest as throttle_latest
from rxwizard.operators.tokenizers import Tokenizer as Tokenizer
from rxwizard.operators.tokens import TokenRate as TokenRate
from rxwizard.operators.tokens import count_tokens as count_tokens
from rxwizard.operators.tokens import tokens_per_second as tokens_per_second
