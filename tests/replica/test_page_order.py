"""A stream whose pages do not join is given up before anything of it is stored."""

from __future__ import annotations

import pytest

from syncline.client import PageMissing
from syncline.replica.page_order import PageOrder
from syncline.v1 import queue_pb2
from tests.replica.building import page, put, segment


def numbered(number: int, message: queue_pb2.QueuePage) -> queue_pb2.QueuePage:
    message.page_number = number
    return message


def test_pages_that_join_pass() -> None:
    order = PageOrder("e")
    order.check(numbered(1, page(segment(put("x", 1), redelivered=True))))
    order.check(numbered(2, page(segment(put("a", 5), above=3), segment(put("b", 5), bucket="b"))))
    order.check(numbered(3, page(segment(put("a", 9), above=5))))


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_page_out_of_order_is_refused(number: int) -> None:
    order = PageOrder("e")
    order.check(numbered(1, page()))
    with pytest.raises(PageMissing, match="page 2 of the queue is missing"):
        order.check(numbered(number, page()))


def test_a_gap_between_segments_is_refused() -> None:
    order = PageOrder("e")
    order.check(numbered(1, page(segment(put("a", 5)))))
    with pytest.raises(PageMissing, match="revisions 5 to 6"):
        order.check(numbered(2, page(segment(put("b", 8), above=6))))


def test_a_checkpoint_of_another_history_is_refused() -> None:
    message = numbered(1, page(checkpoint=5))
    message.checkpoint.store_epoch = "other"
    with pytest.raises(PageMissing, match="history"):
        PageOrder("e").check(message)
