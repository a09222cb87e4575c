"""Searchlight: the language of filters and orders of lists, as docs/searchlight.md describes it."""

from syncline.server.requests.searchlight.ordering import DEFAULT_ORDER, parse_order, place_of
from syncline.server.requests.searchlight.parsing import parse_filter

__all__ = ["DEFAULT_ORDER", "parse_filter", "parse_order", "place_of"]
