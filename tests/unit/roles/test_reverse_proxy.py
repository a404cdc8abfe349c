"""The names that a host answers to."""

from __future__ import annotations

from collections.abc import Callable

Filters = dict[str, Callable[..., object]]

ADA = {"student": "ada", "port": 8888, "name": ""}
BEN = {"student": "ben", "port": 8889, "name": ""}


def test_without_names_all_are_below_the_address(reverse_proxy: Filters) -> None:
    sites = reverse_proxy["reverse_proxy_sites"]([ADA, BEN], "203.0.113.7")
    assert sites == [{"name": "203.0.113.7", "host": "203.0.113.7", "notebooks": [ADA, BEN]}]


def test_each_name_has_its_own_notebook_only(reverse_proxy: Filters) -> None:
    named = [{**ADA, "name": "ada.example.edu"}, {**BEN, "name": "ben.example.edu"}]
    sites = reverse_proxy["reverse_proxy_sites"](named, "203.0.113.7")
    assert sites == [
        {"name": "ada.example.edu", "host": "ada.example.edu", "notebooks": named[:1]},
        {"name": "ben.example.edu", "host": "ben.example.edu", "notebooks": named[1:]},
    ]


def test_a_long_address_is_in_brackets_in_a_url(reverse_proxy: Filters) -> None:
    sites = reverse_proxy["reverse_proxy_sites"]([ADA], "2001:db8::7")
    assert sites == [{"name": "2001:db8::7", "host": "[2001:db8::7]", "notebooks": [ADA]}]
