"""Addresses with a user and a password, and what is shown of them."""

from __future__ import annotations

import pytest

from airflow_provider_amplifybackend.core.addresses import (
    has_userinfo,
    names_user,
    passwords,
    without_passwords,
    without_userinfo,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:hush-1@proxy:3128", "http://proxy:3128"),
        ("http://token@proxy", "http://proxy"),
        ("http://user:p%40ss@proxy/x?y", "http://proxy/x?y"),
        ("http://user:p@ss@proxy", "http://proxy"),
        ("http://user:hu/sh@proxy", "http://proxy"),
        ('Could not connect to "https://u:hush@h:1/a": no', 'Could not connect to "https://h:1/a": no'),
        ("postgresql+psycopg2://airflow:hush@db/airflow", "postgresql+psycopg2://db/airflow"),
        ("//user:hush@proxy", "//proxy"),
        ('no way to "http://u:hu sh@h:1/a" today', 'no way to "http://h:1/a" today'),
        ("http://u:hu'sh\"<hush>@proxy", "http://proxy"),
        (r"http:\/\/u:hush@proxy", r"http:\/\/proxy"),
        ("two: http://a:b@c and http://d:e@f", "two: http://c and http://f"),
    ],
)
def test_user_and_password_are_not_shown(text: str, shown: str) -> None:
    assert has_userinfo(text)
    assert without_userinfo(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://amplifybackend.us-east-1.amazonaws.com/backend/d1",
        "http://127.0.0.1:4000/a@b",
        "http://[::1]:80/",
        "me@example.com",
        "see https://example.com/ or ask me@example.com",
        "https://example.com/?user=me@example.com",
        "arn:aws:iam::123456789012:user/me@example.com",
        "http://hunter:{{ var.value.proxy_password }}@proxy",
        "@",
    ],
)
def test_what_has_none_stays_as_it_is(text: str) -> None:
    assert not has_userinfo(text)
    assert without_userinfo(text) == text


def test_an_address_in_the_uri_of_a_connection_is_shown_without_them() -> None:
    uri = "aws://@/?endpoint_url=http%3A%2F%2Fu%3Ahush%40h%3A80&region_name=eu-west-1"
    assert without_userinfo(uri) == "aws:///?endpoint_url=http%3A%2F%2Fh%3A80&region_name=eu-west-1"


def test_only_an_address_with_a_password_is_marked() -> None:
    assert without_passwords("postgres://shop:hush@db/shop", "***") == "postgres://***@db/shop"
    assert without_passwords("ssh://git@example.com/a", "***") == "ssh://git@example.com/a"
    assert without_passwords("x=http%3A%2F%2Fu%3Ahush%40h", "***") == "x=http%3A%2F%2F***%40h"


def test_a_proxy_may_lack_its_scheme() -> None:
    assert names_user("user:hush@proxy:3128")
    assert names_user("http://user:hush@proxy:3128")
    assert not names_user("proxy:3128")
    assert set(passwords({"proxies": {"https": "user:hush-1@proxy:3128"}})) == {"hush-1"}


def test_passwords_are_found_as_written_and_as_sent() -> None:
    extra = {"endpoint_url": "http://u:hush%2F1@h", "deep": ['{"x": "http://token-2@h"}'], "mail": "me@example.com"}
    assert set(passwords(extra)) == {"hush%2F1", "hush/1", "token-2"}
    assert set(passwords("http://u:hu 'sh\"@h")) == {"hu 'sh\""}
