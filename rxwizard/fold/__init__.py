"""Chunks in, one response out: what `generate_complete` gives and what an error carries."""

from rxwizard.fold.parts import ToolCallBuilder as ToolCallBuilder
from rxwizard.fold.parts import parse_arguments as parse_arguments
from rxwizard.fold.response import MAX_RESPONSE_CHARACTERS as MAX_RESPONSE_CHARACTERS
from rxwizard.fold.response import ResponseBuilder as ResponseBuilder
