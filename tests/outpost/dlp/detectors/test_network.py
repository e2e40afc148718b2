import pytest

from outpost.dlp.detectors import network
from tests.outpost.dlp.detectors import by_case
from tests.outpost.dlp.detectors import official_numbers as check
from tests.outpost.dlp.detectors.table import found


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("from 203.0.113.77.", "203.0.113.77"),
        ("http://192.168.1.10:8080/x", "192.168.1.10"),
        ("10.0.0.0/8", "10.0.0.0"),
        ("[10.1.2.3]", "10.1.2.3"),
        ("地址10.1.2.3。", "10.1.2.3"),
        ("2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3::8a2e:370:7334"),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334,", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"),
        ("http://[2001:db8::17]:443/", "2001:db8::17"),
        ("fe80::1ff:fe23:4567:890a.", "fe80::1ff:fe23:4567:890a"),
        ("address 2001:db8::17: down", "2001:db8::17"),
        ("::ffff:192.0.2.128", "::ffff:192.0.2.128"),
    ],
)
def test_found(text, span):
    assert found(text, "pii.ip") == [("pii.ip", span)]


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4.5",
        "10.15.7",
        "256.1.2.3",
        "1.2.3.400",
        "01.02.03.04",  # leading zeros are octal to some and refused by ipaddress
        "v1.2.3.4",
        "version 1.2.3.4",
        "Version: 1.2.3.4",
        "release 10.0.19041.1",
        "Chrome/120.0.0.0",
        "1.2.3.4-beta",
        "127.0.0.1",
        "0.0.0.0",
        "::1",
        "::",
        "12:30:45",
        "00:1a:2b:3c:4d:5e",
        "std::ab::cd",
        "a[1::2]",
        "x[::2]",
        "Dead::Beef",
        "2001:db8::17::1",
        "1:2:3:4:5:6:7:8:9",
        "2001:db8::g",
    ],
)
def test_near_misses(text):
    assert found(text, "pii.ip") == []


by_name = pytest.mark.parametrize("name", by_case.names_of(network))
each = pytest.mark.parametrize("identifier", network.IDENTIFIERS, ids=check.named)


@by_name
def test_found_by_name(name):
    by_case.assert_positives(name)


@by_name
def test_near_misses_by_name(name):
    by_case.assert_near_misses(name)


@each
def test_found_in_every_form_beside_a_word(identifier):
    check.assert_found_in_every_form(identifier)


@each
def test_near_misses_of_numbers_are_not_found(identifier):
    check.assert_near_misses_are_not_found(identifier)


@each
def test_alone_only_if_strong(identifier):
    check.assert_silent_without_a_word_unless_strong(identifier)


@each
def test_the_check_refuses_as_many_as_the_table_says(identifier):
    check.assert_refuses_as_many_as_it_says(identifier)
