"""What stands in two places, since neither can read the other, is the same in both."""

from __future__ import annotations

from dstk_runner.checks_class import SUBNET_BITS
from support.plugins import Load


def test_the_checks_count_the_subnets_that_the_network_has(load: Load) -> None:
    assert load("module_utils/dstk_network_parts").SUBNET_BITS == SUBNET_BITS


def test_a_notebook_gets_the_memory_that_the_seats_are_counted_with(load: Load) -> None:
    assert load("filter/dstk_notebooks").NOTEBOOK_MEMORY == load("module_utils/dstk_seats").NOTEBOOK_MEMORY
