"""A canary from its publication to its end, through the database, and what each outpost is shown meanwhile."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import Metadata

from control_plane.canary import Audiences, Selection, State, chosen, parse_label
from control_plane.defaults import default_policy, default_routing
from control_plane.errors import (
    CanaryHalted,
    CanaryUnderWay,
    InvalidRequest,
    NotFound,
    ThresholdNotHeld,
    UnknownOutpost,
)
from control_plane.keys import KeyRequest
from control_plane.release import CANARY, STABLE
from control_plane.store.canaries import visible_snapshot
from outpost.protocol.messages import BundleReport, Heartbeat

ROUTING = {"routing.json": default_routing("https://canary.example/v1")}
FIRST_RING = Selection(label=("ring", "first"))


@pytest.fixture
def fleet(operations):
    """Three outposts; the first is labelled."""
    names = [operations.create_outpost("acme", name, timedelta(hours=1))[0].id for name in ("a", "b", "c")]
    operations.policy.set_label(names[0], "ring", "first")
    operations.policy.set_label(names[1], "ring", "second")
    return names


def shown(operations, outpost_id):
    """(timestamp version, snapshot version, routing) as this outpost fetches them."""
    audience = operations.policy.audience("acme", outpost_id)
    timestamp = Metadata.from_bytes(operations.metadata("acme", "timestamp.json", audience)).signed
    snapshot = Metadata.from_bytes(
        operations.metadata("acme", f"{timestamp.snapshot_meta.version}.snapshot.json")
    ).signed
    targets = Metadata.from_bytes(
        operations.metadata("acme", f"{snapshot.meta['targets.json'].version}.targets.json")
    ).signed
    routing = operations.target("acme", f"{targets.targets['routing.json'].hashes['sha256']}.routing.json")
    return timestamp.version, snapshot.version, json.loads(routing)["providers"][0]["base_url"]


class Fleet:
    """What each outpost was last shown; refuses whatever goes down."""

    def __init__(self, operations, names):
        self.operations, self.names = operations, names
        self.last = dict.fromkeys(names, (0, 0, ""))

    def look(self, *names):
        for name in names or self.names:
            now = shown(self.operations, name)
            assert now[0] >= self.last[name][0], "a timestamp went down"
            assert now[1] >= self.last[name][1], "a snapshot went down"
            self.last[name] = now
        return [self.last[name][2] for name in self.names]

    def refuse(self, name):
        record = next(record for record, _ in self.operations.outposts("acme") if record.id == name)
        version = self.last[name][1]
        report = BundleReport(snapshot_version=version - 1, refused_version=version, refused_reason="smoke case x")
        beat = Heartbeat(outpost_version="1", sent_at=datetime.now(UTC), bundle=report, audit_size=0, audit_delivered=0)
        self.operations.heartbeat(record, beat, 30)


@pytest.fixture
def seen(operations, fleet):
    result = Fleet(operations, fleet)
    result.look()
    return result


OLD, NEW = "https://api.openai.com/v1", "https://canary.example/v1"


def test_members_are_shown_it_first_and_everybody_once_it_is_promoted(operations, fleet, seen):
    version, members = operations.policy.begin_canary("acme", ROUTING, FIRST_RING)
    assert members == [fleet[0]]
    assert seen.look() == [NEW, OLD, OLD]
    with operations.database.read() as connection:
        assert [visible_snapshot(connection, "acme", name) for name in fleet] == [version, version - 1, version - 1]
    operations.policy.set_label(fleet[1], "ring", "first")  # members are fixed
    assert seen.look() == [NEW, OLD, OLD]
    assert operations.policy.promote("acme", override=False) == version
    assert seen.look() == [NEW, NEW, NEW]
    assert operations.policy.canary("acme")[0].state is State.PROMOTED


def test_virtual_keys_and_the_schedule_go_on_for_both_audiences(operations, fleet, seen, clock):
    operations.policy.begin_canary("acme", ROUTING, FIRST_RING)
    assert seen.look() == [NEW, OLD, OLD]
    operations.create_key("acme", KeyRequest(name="meanwhile"))
    clock.advance(timedelta(hours=2))
    assert operations.renew_bundles(timedelta(hours=1)) == {"acme": ("timestamp",)}
    assert seen.look() == [NEW, OLD, OLD]
    clock.advance(timedelta(days=60))
    operations.renew_bundles(timedelta(hours=1))
    assert seen.look() == [NEW, OLD, OLD]
    operations.policy.rotate_key("acme", "snapshot")
    assert seen.look() == [NEW, OLD, OLD]
    for forbidden in (
        lambda: operations.publish("acme", {"policy.json": default_policy()}),
        lambda: operations.policy.begin_canary("acme", ROUTING, FIRST_RING),
        lambda: operations.policy.rotate_key("acme", "targets"),
    ):
        with pytest.raises(CanaryUnderWay):
            forbidden()
    operations.policy.promote("acme", override=False)
    assert seen.look() == [NEW, NEW, NEW]


def test_rolled_forward_everybody_has_the_old_content_under_a_higher_version(operations, fleet, seen):
    version, _ = operations.policy.begin_canary("acme", ROUTING, FIRST_RING)
    seen.look()
    assert operations.policy.roll_forward("acme") > version
    assert seen.look() == [OLD, OLD, OLD]
    operations.publish("acme", ROUTING)
    assert seen.look() == [NEW, NEW, NEW]


def test_a_refusal_halts_it_and_those_who_have_it_keep_it(operations, fleet, seen):
    operations.policy.set_label(fleet[1], "ring", "first")
    operations.policy.begin_canary("acme", ROUTING, FIRST_RING)
    seen.look(fleet[0])  # the second member has not been here yet
    seen.refuse(fleet[0])
    canary, members = operations.policy.canary("acme")
    assert canary.state is State.HALTED
    assert [(name, at is not None) for name, at, _ in members] == [(fleet[0], True), (fleet[1], False)]
    assert seen.look() == [NEW, OLD, OLD]
    assert [event.kind for event in operations.events(1)] == ["canary_halted"]
    with pytest.raises(CanaryHalted):
        operations.policy.promote("acme", override=False)
    operations.policy.promote("acme", override=True)
    assert seen.look() == [NEW, NEW, NEW]
    assert [event.kind for event in operations.events(1)] == ["canary_overridden"]


def test_what_others_refuse_halts_nothing(operations, fleet, seen):
    operations.policy.begin_canary("acme", ROUTING, FIRST_RING)
    seen.look()
    seen.refuse(fleet[1])
    assert operations.policy.canary("acme")[0].state is State.RUNNING
    seen.refuse(fleet[0])
    seen.refuse(fleet[0])  # once is news
    assert [event.kind for event in operations.events(2)].count("canary_halted") == 1


def test_a_canary_that_nobody_would_see_is_not_published(operations, fleet, seen):
    with pytest.raises(InvalidRequest):
        operations.policy.begin_canary("acme", ROUTING, Selection(label=("ring", "third")))
    assert seen.look() == [OLD, OLD, OLD]
    for nothing in (lambda: operations.policy.promote("acme", override=True), lambda: operations.policy.canary("acme")):
        with pytest.raises(NotFound):
            nothing()
    with pytest.raises(NotFound):
        operations.policy.roll_forward("acme")


def test_a_canary_does_not_take_more_keys_than_any_publication(operations, fleet, plane):
    (plane.path / "keys" / "orgs" / "acme" / "targets.key").unlink()
    with pytest.raises(ThresholdNotHeld):
        operations.policy.begin_canary("acme", ROUTING, FIRST_RING)


def test_labels_are_names_and_values_of_outposts_that_exist(operations, fleet):
    assert parse_label("ring=first") == ("ring", "first")
    for wrong in ("ring", "=first", "ring=", "Ring=first", "ring=a=b"):
        with pytest.raises(InvalidRequest):
            parse_label(wrong)
    with pytest.raises(UnknownOutpost):
        operations.policy.set_label("nobody", "ring", "first")
    operations.policy.set_label(fleet[0], "ring", None)
    with pytest.raises(InvalidRequest):
        operations.policy.begin_canary("acme", ROUTING, FIRST_RING)


@given(st.sets(st.text("abcdef0123456789", min_size=1, max_size=9), max_size=60), st.integers(1, 10**6))
def test_a_percentage_grows_by_adding_members_only(names, version):
    labels = {name: {} for name in names}
    before = set()
    for percent in (0.01, 1, 10, 50, 99.99, 100):
        members = set(chosen(version, labels, Selection(percent)))
        assert before <= members
        before = members
    assert before == names


def test_a_percentage_is_about_that_many():
    labels = {f"outpost-{number}": {} for number in range(10_000)}
    assert 800 < len(chosen(7, labels, Selection(10))) < 1200
    assert chosen(7, labels, Selection(10)) != chosen(8, labels, Selection(10))


@pytest.mark.parametrize(
    ("audiences", "audience"),
    [
        (Audiences(1), STABLE),
        (Audiences(1, 2, running=True, members={"me": False}), CANARY),
        (Audiences(1, 2, running=False, members={"me": False}), STABLE),
        (Audiences(1, 2, running=False, members={"me": True}), CANARY),
        (Audiences(1, 2, running=True, members={"other": True}), STABLE),
    ],
)
def test_who_is_shown_what(audiences, audience):
    assert audiences.of("me") == audience
    assert audiences.version_for("me") == (2 if audience == CANARY else 1)
