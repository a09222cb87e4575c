"""A trace with its linked traces as one JSON document."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from syncline.cli.traces.story import Story
from syncline.cli.traces.tree import Node, Trace


def story_document(story: Story) -> dict[str, Any]:
    """The traces, the one that was asked for first, each with its tree of spans; and the links between them."""
    return {
        "traces": [
            {"distance": story.distances[trace.trace_id]}
            | _trace_document(trace)
            | {"links_left_out": story.links_left_out[trace.trace_id]}
            for trace in story.traces
        ],
        "links": story.links,
        "lines_damaged": story.lines_damaged,
    }


def _trace_document(trace: Trace) -> dict[str, Any]:
    facts = {each.name: getattr(trace, each.name) for each in fields(trace) if each.name != "roots"}
    return facts | {"spans": [_node_document(root) for root in trace.roots]}


def _node_document(node: Node) -> dict[str, Any]:
    span = {each.name: getattr(node.span, each.name) for each in fields(node.span) if each.name != "trace_id"}
    children = [_node_document(child) for child in node.children]
    return span | {"lost_parent": node.lost_parent, "children": children}
