"""What counts as a `traceparent` is what W3C's recommendation says."""

import pytest

from nanogrid.api.preferences import read_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize("version", ["00", "01"])
def test_a_whole_one_is_taken_as_it_is(version):
    traceparent = f"{version}-{TRACE}-{SPAN}-01"

    assert read_traceparent({"traceparent": traceparent}) == traceparent


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "garbage",
        f"00-{'0' * 32}-{SPAN}-01",  # no trace
        f"00-{TRACE}-{'0' * 16}-01",  # no span
        f"ff-{TRACE}-{SPAN}-01",  # the version that is forbidden
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01-more",
    ],
)
def test_a_malformed_one_counts_as_none(malformed):
    assert read_traceparent({"traceparent": malformed}) == ""


def test_most_requests_have_none():
    assert read_traceparent({}) == ""
