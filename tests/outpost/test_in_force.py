"""A bundle and the model pack that it demands, from publication to what is found in a text; the process is real."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from control_plane.commands.officers import pack_given
from outpost import app
from outpost.app import open_outpost
from outpost.config import Config
from outpost.errors import BundleRejected, ControlPlaneUnavailable, CouldNotInspect, ModelUnavailable, Rejected
from outpost.models.pack import open_pack
from outpost.policy.evaluate import Facts
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.detectors import DetectorsDocument, TopicRule
from outpost.protocol.documents import Conditions, Pack, PolicyDocument, Rule, encode_document
from outpost.protocol.smoke import Expectation, SmokeCase, SmokeDocument
from outpost.proxy.decide import Question
from outpost.proxy.inspection import look_for
from outpost.sync.client import ControlPlaneClient
from outpost.sync.doorstep import Doorstep
from outpost.sync.keeper import IdentityKeeper
from outpost.sync.loop import SyncLoop
from outpost.sync.revocation_watch import RevocationWatch
from outpost.wiring import make_models
from tests.fakes.clock import FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.enrolled import enrol
from tests.fakes.model_pack import BOOM, write_card, write_pack


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def plane(clock) -> FakeControlPlane:
    return FakeControlPlane(clock)


@pytest.fixture
def config(tmp_path) -> Config:
    return Config(data_dir=tmp_path / "outpost-data", models_threads=1)


@pytest.fixture
def identity(plane, config, clock):
    return enrol(plane, config.data_dir, clock)


def rules_for(*kinds):
    when = Conditions(findings=list(kinds))
    rule = Rule(id="names", sequence=1, when=when, action=Action.BLOCK)
    pack = Pack(id="p", sequence=1, default=Action.ALLOW, rules=[rule])
    return PolicyDocument(schema_version="1", packs=[pack])


@pytest.fixture
def syncing(config, identity, plane, clock):
    """An outpost whose models run, synchronised by ``await once()``."""

    @asynccontextmanager
    async def run(**changes):
        outpost = open_outpost(config.model_copy(update=changes), clock=clock)
        models = make_models(outpost.config, outpost.in_force.choice, CollectorRegistry())
        outpost.in_force.attach(models)
        stop = asyncio.Event()
        running = asyncio.create_task(models.run(stop))
        async with ControlPlaneClient(
            identity, transport=plane.transport(), downloads=outpost.config.data_dir / "models" / "partial"
        ) as client:
            effects = app.effects_of(outpost, client)

            async def once():
                await SyncLoop(
                    client,
                    *_collaborators(outpost, client, plane),
                    outpost.stores,
                    outpost.audit,
                    effects,
                    clock=clock,
                ).take_once()

            try:
                yield outpost, models, once
            finally:
                stop.set()
                await asyncio.wait_for(running, 60)
                outpost.close()

    return run


def _collaborators(outpost, client, plane):
    doorstep = Doorstep("https://control-plane.test:8100", transport=plane.transport())
    keeper = IdentityKeeper(outpost.identity, client, doorstep, outpost.clock_watch, outpost.clock)
    state, set_revoked = outpost.stores.state, outpost.in_force.set_revoked
    return keeper, RevocationWatch(lambda: keeper.identity, client, doorstep, state, set_revoked, outpost.clock)


async def looked(outpost, models, text="Ana Silva"):
    """Kinds found as a request would ask."""
    look = look_for(models, outpost.admission.enforcement, Facts("openai.chat_completions", "m", "g", Direction.INPUT))
    return None if look is None else [f.kind for (found,) in [await look.answer([Question(text, [])])] for f in found]


async def well(models):
    async with asyncio.timeout(60):
        while models.problem is not None:  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.01)


async def test_bundle_and_pack_come_in_force_together_and_not_before_the_pack_is_whole(syncing, plane, tmp_path):
    plane.publish(policy=rules_for("pci.*"))
    async with syncing() as (outpost, models, once):
        await once()
        first = outpost.in_force.applied
        assert (await looked(outpost, models), models.problem) == (None, None)
        pack = write_pack(tmp_path / "one")
        plane.publish(policy=rules_for("pii.person"), others=pack_given(str(pack)))
        model = next(key for key in plane.store.targets if key[0] == "model.onnx.pack")
        content = plane.store.targets.pop(model)
        with pytest.raises(Rejected):
            await once()
        assert outpost.in_force.applied == first
        assert outpost.in_force.pack_report() is None
        plane.store.targets[model] = content
        await once()
        assert await looked(outpost, models) == ["pii.person"]
        assert outpost.in_force.pack_report()["digest"] == open_pack(pack).digest
        assert models.report()["starts"] == 1


async def test_another_pack_takes_over_while_requests_that_began_before_end_with_theirs(syncing, plane, tmp_path):
    one, two = write_pack(tmp_path / "one"), write_pack(tmp_path / "two", version="2.0")
    plane.publish(policy=rules_for("pii.person"), others=pack_given(str(one)))
    async with syncing() as (outpost, models, once):
        await once()
        before = outpost.admission.enforcement
        asked = await looked(outpost, models)
        plane.publish(others=pack_given(str(two)))
        failures = []

        async def requests():
            while outpost.admission.enforcement is before:
                try:
                    assert await looked(outpost, models, f"Ana Silva {time.monotonic()}") == asked
                except CouldNotInspect as err:
                    failures.append(err)

        await asyncio.gather(once(), requests())
        assert (failures, models.report()["pack"]) == ([], "tiny 2.0")
        pack = before.bundle.pack
        assert (await models.look("Ana Silva again", pack=pack.digest)).findings
        await once()  # nothing new: what is not needed any more goes
        folders = [entry.name for entry in (outpost.config.data_dir / "models" / "packs").iterdir()]
        assert folders == [open_pack(two).digest]
        plane.publish(policy=rules_for("pci.*"), others=pack_given("none"))
        await once()
        assert (await looked(outpost, models), models.report()["problem"]) == (None, None)


async def test_a_pack_that_does_not_run_here_refuses_the_bundle(syncing, plane, tmp_path):
    plane.publish(policy=rules_for("pci.*"))
    async with syncing() as (outpost, models, once):
        await once()
        first = outpost.in_force.applied
        wrong = write_pack(tmp_path / "wrong", opset=13)
        write_card(wrong, opset=17)
        plane.publish(others=pack_given(str(wrong)))
        with pytest.raises(BundleRejected, match=r"does not run here: .*is of opset"):
            await once()
        assert (outpost.in_force.applied, models.problem) == (first, None)


async def test_the_bundles_pack_wins_over_ones_own_and_must_find_what_is_demanded(syncing, plane, tmp_path):
    own, theirs = write_pack(tmp_path / "own", version="9.0"), write_pack(tmp_path / "theirs")
    plane.publish(policy=rules_for("pii.person"))
    async with syncing(models_pack=own) as (outpost, models, once):
        await once()
        await well(models)
        assert models.report()["pack"] == "tiny 9.0"
        plane.publish(others=pack_given(str(theirs)))
        await once()
        assert (models.report()["pack"], await looked(outpost, models)) == ("tiny 1.0", ["pii.person"])
        plane.publish(policy=rules_for("phi.condition"))  # the bundle's pack does not find it
        with pytest.raises(BundleRejected, match=r"only a model finds phi\.condition"):
            await once()


async def test_a_damaged_pack_refuses_at_the_start_until_it_is_whole_again(syncing, plane, tmp_path):
    plane.publish(policy=rules_for("pii.person"), others=pack_given(str(write_pack(tmp_path / "one"))))
    async with syncing() as (outpost, _, once):
        await once()
        folder = outpost.in_force.choice.folder
    (folder / "model.onnx").write_bytes(b"x" * (folder / "model.onnx").stat().st_size)
    plane.down = True
    async with syncing() as (outpost, models, once):
        assert outpost.in_force.applied is not None
        async with asyncio.timeout(60):
            while "not what the card says" not in (models.problem or ""):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
        with pytest.raises(CouldNotInspect):
            await looked(outpost, models)
        with pytest.raises(ControlPlaneUnavailable):
            await once()
        plane.down = False
        await once()
        await well(models)
        assert await looked(outpost, models) == ["pii.person"]
    plane.down = True  # and from then on without any network
    async with syncing() as (outpost, models, _):
        await well(models)
        assert await looked(outpost, models) == ["pii.person"]


async def test_topics_come_in_force_with_the_bundle_that_describes_them(syncing, plane, tmp_path):
    notes = TopicRule(id="notes", kind="topic.notes", examples=["note", "a note"])
    detectors = encode_document(DetectorsDocument(schema_version="1", topics=[notes]))
    pack = pack_given(str(write_pack(tmp_path / "one")))
    plane.publish(policy=rules_for("topic.notes"), others={**pack, "detectors.json": detectors})
    async with syncing() as (outpost, models, once):
        await once()
        assert await looked(outpost, models, "the note") == ["topic.notes"]
        assert await looked(outpost, models, "Ana Silva") == ["pii.person"]
        plane.publish(others={"detectors.json": b'{"schema_version":"1"}'})
        with pytest.raises(BundleRejected, match=r"only a model finds topic\.notes"):
            await once()
        plane.publish(policy=rules_for("pii.person"))
        await once()
        assert await looked(outpost, models, "the note") == []


async def test_smoke_cases_that_only_a_model_can_meet_are_tried_with_the_bundles_pack(syncing, plane, tmp_path):
    def smoke(text):
        expect = Expectation(action=Action.BLOCK, kinds=["pii.person"])
        case = SmokeCase(id="names-stay", text=text, direction=Direction.INPUT, expect=expect)
        return {"smoke.json": encode_document(SmokeDocument(schema_version="1", cases=[case]))}

    plane.publish(policy=rules_for("pii.person"), others=pack_given(str(write_pack(tmp_path / "one"))))
    async with syncing() as (outpost, models, once):
        await once()
        first = outpost.in_force.applied
        plane.publish(others=smoke("Nobody is here"))
        with pytest.raises(BundleRejected, match="case names-stay expects BLOCK, got ALLOW by p/default"):
            await once()
        assert outpost.in_force.applied == first
        plane.publish(others=smoke("Ana Silva is here"))
        await once()
        assert outpost.in_force.applied != first
        plane.publish(others=smoke(BOOM))
        with pytest.raises(ModelUnavailable, match="names-stay cannot be tried"):
            await once()
        await well(models)
