"""What unknown callers may write to the audit log."""

import httpx
from hypothesis import given
from hypothesis import strategies as st

from outpost.proxy.strangers import StrangerEvents
from tests.fakes.outpost import running_outpost
from tests.outpost.proxy.setup import policy, routing


@given(st.lists(st.floats(0, 5), max_size=300))
def test_all_are_written_or_counted_and_never_more_than_the_rate(pauses):
    budget, now_s, written, counted = StrangerEvents(per_s=2, burst=5), 0.0, 0, 0
    waiting = 0
    for pause in pauses:
        now_s += pause
        uncounted = budget.admit(now_s)
        if uncounted is None:
            waiting += 1
        else:
            written, counted, waiting = written + 1, counted + uncounted, 0
    assert written + counted + waiting == len(pauses)
    assert written <= 5 + 2 * now_s + 1


def test_a_clock_that_stands_still_gives_nothing_new():
    budget = StrangerEvents(per_s=1, burst=1)
    assert [budget.admit(7.0) for _ in range(4)] == [0, None, None, None]
    assert budget.admit(8.0) == 3


async def test_a_flood_without_a_key_is_counted_instead_of_written():
    async with running_outpost(policy=policy(), routing=routing("http://127.0.0.1:9")) as outpost:
        async with httpx.AsyncClient() as client:
            statuses = {(await client.post(f"{outpost.base_url}/v1/chat/completions")).status_code for _ in range(250)}
        events = outpost.events()

    assert statuses == {401}
    assert 100 <= len(events) < 200
