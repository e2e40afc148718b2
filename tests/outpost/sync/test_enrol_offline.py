import pytest

from outpost.errors import AlreadyEnrolled, ControlPlaneUntrusted, InputUnusable, Rejected
from outpost.sync.enrol_offline import make_request, take_answer
from outpost.sync.identity import is_enrolled, load_identity
from tests.fakes.control_plane import FakeControlPlane


@pytest.fixture
def token(plane):
    return plane.create_token()


def answer_of(plane, request):
    """What the control plane answers to a request that was carried there."""
    return plane._enrol(request).model_dump_json().encode()


def test_two_files_make_an_identity(plane, token, tmp_path, clock):
    request = make_request(token, tmp_path, clock=clock)
    assert not is_enrolled(tmp_path)
    again = make_request(token, tmp_path, clock=clock)  # the same keys: the same token buys it once
    assert again.hpke_public_key == request.hpke_public_key
    identity = take_answer(answer_of(plane, again), tmp_path, clock=clock)
    assert load_identity(tmp_path, clock()).outpost_id == identity.outpost_id == request.token.split(".")[1]
    for call in (lambda: make_request(token, tmp_path, clock=clock), lambda: take_answer(b"", tmp_path, clock=clock)):
        with pytest.raises(AlreadyEnrolled):
            call()


def test_an_answer_to_nothing_or_of_somebody_else_stores_nothing(plane, token, tmp_path, clock):
    with pytest.raises(InputUnusable, match="nothing waits"):
        take_answer(b"{}", tmp_path, clock=clock)
    with pytest.raises(Rejected):
        make_request("not a token", tmp_path, clock=clock)
    request = make_request(token, tmp_path, clock=clock)
    good = answer_of(plane, request)
    other = FakeControlPlane(clock)
    foreign = make_request(other.create_token(), tmp_path / "other", clock=clock)
    for bad in (
        b"",
        b"{}",
        good[:-1],
        good.replace(b'"org_id":"acme"', b'"org_id":"globex"'),
        answer_of(other, foreign),
    ):
        with pytest.raises(ControlPlaneUntrusted):
            take_answer(bad, tmp_path, clock=clock)
        assert not is_enrolled(tmp_path)
    assert take_answer(good, tmp_path, clock=clock).org_id == "acme"
