import base64
import json
import os
import stat
from datetime import timedelta

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.tokens import make_token
from outpost.errors import (
    AlreadyEnrolled,
    ConfigError,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
    IdentityInvalid,
    OutpostError,
    Rejected,
    Unavailable,
)
from outpost.protocol import routes
from outpost.protocol.codes import ErrorCode
from outpost.sync import enrol
from outpost.sync.enrol import register
from outpost.sync.identity import is_enrolled, load_identity, save_public_parts
from pki.keys import generate_private_key
from pki.names import SpiffeId
from tests.fakes.control_plane import FakeControlPlane, _pem

URL = "https://control-plane.test:8100"


class Wire:
    """The way to the control plane: every request is kept, and answers can be altered or lost."""

    def __init__(self, plane) -> None:
        self.plane = plane
        self.requests: list[httpx.Request] = []
        self.alter = {}
        self.lose_answer = False

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    def _handle(self, request):
        self.requests.append(request)
        response = self.plane.handler(request)
        if request.url.path == routes.ENROL and response.is_success:
            if self.lose_answer:
                raise httpx.ReadError("connection reset", request=request)
            fields = {**json.loads(response.content), **self.alter}
            response = httpx.Response(200, content=json.dumps(fields))
        return response

    @property
    def enrolments(self) -> list[dict]:
        return [json.loads(request.content) for request in self.requests if request.url.path == routes.ENROL]


@pytest.fixture
def wire(plane) -> Wire:
    return Wire(plane)


@pytest.fixture
def enrol_with(wire, data_dir, clock):
    def enrol_with(token, url=URL):
        return register(url, token, data_dir, transport=wire.transport(), clock=clock)

    return enrol_with


def tree(data_dir) -> dict[str, bytes]:
    return {str(path.relative_to(data_dir)): path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}


def test_a_token_buys_an_identity_that_is_on_disk(enrol_with, plane, data_dir, clock):
    identity = enrol_with(plane.create_token("edge-1"))
    assert (identity.org_id, identity.outpost_id, identity.trust_domain) == ("acme", "edge-1", "outpost.test")
    assert identity.directory == data_dir / "identity"
    assert load_identity(data_dir, clock()).certificate == identity.certificate
    assert [path.name for path in data_dir.iterdir()] == ["identity"]


def test_the_first_contact_sends_nothing_of_the_token(enrol_with, plane, wire):
    token = plane.create_token()
    enrol_with(token)
    first = wire.requests[0]
    assert (first.method, first.url.path, first.content) == ("GET", routes.ANCHORS, b"")
    assert token.split(".")[2] not in repr(first.headers)


def test_a_second_run_says_so_and_changes_nothing(enrol_with, plane, data_dir, wire):
    enrol_with(plane.create_token())
    before, asked = tree(data_dir), len(wire.requests)
    with pytest.raises(AlreadyEnrolled, match="edge-1"):
        enrol_with(plane.create_token("edge-2"))
    assert tree(data_dir) == before
    assert len(wire.requests) == asked


def test_a_damaged_identity_is_reported_not_replaced(enrol_with, plane, data_dir):
    enrol_with(plane.create_token())
    (data_dir / "identity" / "anchors.pem").write_bytes(b"damaged")
    before = tree(data_dir)
    with pytest.raises(IdentityInvalid):
        enrol_with(plane.create_token())
    assert tree(data_dir) == before


def test_a_lost_answer_is_asked_for_again_with_the_same_keys(enrol_with, plane, wire):
    token = plane.create_token()
    wire.lose_answer = True
    with pytest.raises(ControlPlaneUnavailable, match="same token"):
        enrol_with(token)
    wire.lose_answer = False
    identity = enrol_with(token)
    one, two = wire.enrolments
    assert {k: v for k, v in one.items() if k != "csr_pem"} == {k: v for k, v in two.items() if k != "csr_pem"}
    assert len(plane.registry.certificates) == 1
    assert identity.outpost_id == "edge-1"


def test_another_token_after_a_lost_answer_gets_other_keys(enrol_with, plane, wire):
    wire.lose_answer = True
    with pytest.raises(ControlPlaneUnavailable):
        enrol_with(plane.create_token("edge-1"))
    wire.lose_answer = False
    assert enrol_with(plane.create_token("edge-2")).outpost_id == "edge-2"
    one, two = wire.enrolments
    assert one["hpke_public_key"] != two["hpke_public_key"]


@pytest.mark.parametrize("stop_after", range(1, 14))
def test_a_crash_between_any_two_writes_is_carried_on_from(enrol_with, plane, data_dir, monkeypatch, stop_after):
    """The program dies at the n-th file written, directory made or rename; the next run completes the enrolment."""

    class Crash(BaseException):
        pass

    token, left = plane.create_token(), [stop_after]

    def dying(function):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                raise Crash
            return function(*args, **kwargs)

        return call

    from outpost.sync import identity as identity_module  # noqa: PLC0415

    with monkeypatch.context() as patch:
        for module, name in (
            (identity_module, "write_private"),
            (identity_module, "make_private_dir"),
            (enrol, "write_private"),
            (enrol, "make_private_dir"),
            (enrol, "move_into_place"),
        ):
            patch.setattr(module, name, dying(getattr(module, name)))
        try:
            enrol_with(token)
        except Crash:
            if is_enrolled(data_dir):  # dead after the rename: there is an identity, and it is whole
                with pytest.raises(AlreadyEnrolled):
                    enrol_with(token)
                return
        else:
            assert stop_after >= 12
            return
    assert enrol_with(token).outpost_id == "edge-1"
    assert len(plane.registry.certificates) == 1


def test_everything_written_but_the_rename_needs_no_network(enrol_with, plane, data_dir, wire, clock):
    identity = enrol_with(plane.create_token("edge-1"))
    identity.directory.rename(data_dir / "identity.new")
    asked = len(wire.requests)
    plane.down = True
    assert enrol_with(plane.create_token("edge-1")).certificate == identity.certificate
    assert len(wire.requests) == asked


def test_a_complete_leftover_of_another_outpost_is_kept_and_said(enrol_with, plane, data_dir):
    enrol_with(plane.create_token("edge-1")).directory.rename(data_dir / "identity.new")
    with pytest.raises(AlreadyEnrolled, match="edge-1"):
        enrol_with(plane.create_token("edge-2"))
    assert is_enrolled(data_dir)


def test_another_control_plane_than_the_tokens_gets_nothing(wire, clock, data_dir, enrol_with):
    token = FakeControlPlane(clock).create_token()
    with pytest.raises(ControlPlaneUntrusted, match="not the control plane that made this token"):
        enrol_with(token)
    assert wire.enrolments == []
    assert not is_enrolled(data_dir)


def _used_token(plane) -> str:
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    token = plane.create_token()
    with tempfile.TemporaryDirectory() as elsewhere:
        register(URL, token, Path(elsewhere) / "d", transport=plane.transport(), clock=plane.clock)
    return token


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda plane: make_token("edge-1", _anchor_digest(plane), os.urandom).text, ErrorCode.TOKEN_INVALID),
        (lambda plane: "oet1.garbage", ErrorCode.TOKEN_INVALID),
        (lambda plane: plane.create_token(lifetime=timedelta(seconds=-1)), ErrorCode.TOKEN_EXPIRED),
        (_used_token, ErrorCode.TOKEN_USED),
    ],
    ids=["forged", "garbage", "expired", "used"],
)
def test_a_bad_token_is_refused_with_its_code_and_what_to_do(enrol_with, plane, data_dir, make, code):
    token = make(plane)
    with pytest.raises(Rejected) as refused:
        enrol_with(token)
    assert refused.value.code is code
    assert "token" in str(refused.value)
    assert token.split(".")[2:3] == [] or token.split(".")[2] not in str(refused.value)
    assert not is_enrolled(data_dir)


def _anchor_digest(plane) -> bytes:
    return base64.urlsafe_b64decode(plane.create_token("x").split(".")[3] + "=")


@pytest.mark.parametrize(
    "url",
    ["", "control-plane.test", "http://control-plane.test:8100", "https://", "https://h/path", "https://u:p@h",
     "https://h:99999", "https://h?x=1", "https://[::1", "ftp://h"],
)  # fmt: skip
def test_a_wrong_url_is_a_setting_to_correct(enrol_with, plane, wire, url):
    with pytest.raises(ConfigError, match="https://host"):
        enrol_with(plane.create_token(), url)
    assert wire.requests == []


def test_a_dead_control_plane_says_what_to_check(enrol_with, plane):
    plane.down = True
    with pytest.raises(ControlPlaneUnavailable, match="address and port"):
        enrol_with(plane.create_token())


def test_a_page_that_is_no_control_plane_says_so(plane, data_dir, clock):
    page = httpx.MockTransport(lambda _: httpx.Response(200, content=b"<html>Welcome</html>"))
    with pytest.raises(ControlPlaneUntrusted, match="not as a control plane does"):
        register(URL, plane.create_token(), data_dir, transport=page, clock=clock)


def test_a_refusal_before_tls_is_verified_says_nothing_about_the_token(plane, data_dir, clock):
    liar = httpx.MockTransport(lambda _: httpx.Response(409, content=b'{"code":"token_used","message":"used"}'))
    with pytest.raises(ControlPlaneUntrusted, match="not as a control plane does"):
        register(URL, plane.create_token(), data_dir, transport=liar, clock=clock)


def test_a_data_directory_that_cannot_be_written_is_unavailable(plane, tmp_path, clock):
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot write"):
        register(URL, plane.create_token(), tmp_path / "file" / "d", transport=plane.transport(), clock=clock)


def other_leaf(plane, **name) -> str:
    spiffe_id = SpiffeId(**{"trust_domain": "outpost.test", "org_id": "acme", "outpost_id": "edge-1", **name})
    return _pem(plane.intermediate.issue_outpost(spiffe_id, generate_private_key().public_key(), plane.clock()))


@pytest.mark.parametrize(
    "alter",
    [
        lambda plane: {"outpost_id": "edge-2"},
        lambda plane: {"org_id": "other"},
        lambda plane: {"trust_domain": "other.test"},
        lambda plane: {"certificate_pem": other_leaf(plane)},
        lambda plane: {"certificate_pem": _pem(plane.root.certificate)},
        lambda plane: {"certificate_pem": "nonsense"},
        lambda plane: {"intermediates_pem": []},
        lambda plane: {"tuf_root": base64.b64encode(b"{}").decode()},
        lambda plane: {"tuf_root": base64.b64encode(plane.tuf_root.replace(b"acme", b"evil")[:-5]).decode()},
        lambda plane: {"receipt_vkey": "nonsense"},
        lambda plane: {"sync_url": "http://plain.test"},
        lambda plane: {"sync_url": "https://host/with/path"},
        lambda plane: {"certificate_pem": None},
    ],
)
def test_an_answer_that_does_not_verify_is_not_stored(enrol_with, plane, wire, data_dir, alter):
    wire.alter = alter(plane)
    token = plane.create_token()
    with pytest.raises(ControlPlaneUntrusted, match=r"nothing was stored|nothing stored"):
        enrol_with(token)
    assert not is_enrolled(data_dir)
    assert not (data_dir / "identity.new" / "certificate.pem").exists()
    wire.alter = {}
    assert enrol_with(token).outpost_id == "edge-1"


def test_only_the_tokens_anchor_is_kept(enrol_with, plane, wire, clock):
    wire.alter = {"anchors_pem": [plane.anchor_pem, FakeControlPlane(clock).anchor_pem]}
    assert enrol_with(plane.create_token()).anchors == (plane.root.certificate,)


def test_a_wrong_clock_is_said_before_anything_is_stored(plane, data_dir, clock):
    token = plane.create_token()
    late = clock() + timedelta(days=60)
    with pytest.raises(ControlPlaneUntrusted, match="clock"):
        register(URL, token, data_dir, transport=plane.transport(), clock=lambda: late)
    assert not is_enrolled(data_dir)


def test_keys_that_wait_for_an_answer_are_private(enrol_with, plane, wire, data_dir):
    wire.lose_answer = True
    with pytest.raises(ControlPlaneUnavailable):
        enrol_with(plane.create_token())
    new = data_dir / "identity.new"
    assert stat.S_IMODE(new.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in new.iterdir()} == {0o600}


def test_nothing_secret_is_logged(enrol_with, plane):
    token = plane.create_token()
    with structlog.testing.capture_logs() as logs:
        enrol_with(token)
    assert [entry["event"] for entry in logs] == ["enrolled"]
    assert token.split(".")[2] not in repr(logs)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(anchors=st.binary(max_size=60), answer=st.binary(max_size=60), honest=st.booleans())
def test_any_bytes_from_the_other_end_give_a_typed_error(plane, tmp_path_factory, clock, anchors, answer, honest):
    def handle(request):
        if request.url.path == routes.ANCHORS:
            return plane.handler(request) if honest else httpx.Response(200, content=anchors)
        return httpx.Response(200, content=answer)

    with pytest.raises(OutpostError):
        register(
            URL, plane.create_token(), tmp_path_factory.mktemp("e"), transport=httpx.MockTransport(handle), clock=clock
        )


def test_public_parts_are_complete_only_with_the_facts(identity, clock, tmp_path):
    (identity.directory / "identity.json").unlink()
    save_public_parts(identity)
    assert (identity.directory / "identity.json").exists()
