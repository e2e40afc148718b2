"""Authorities' keys in shares: init, serve sealed, unseal, enrol, restart and seal, with real processes."""

import json
import subprocess
import time

import httpx
import pytest

from outpost.demo.processes import DemoFailed, command, environment
from outpost.demo.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


class SealedStage(Stage):
    """A stage whose control plane was made with shares, and what people do with them."""

    def init_in_shares(self) -> list[str]:
        return json.loads(self.control_plane("init", "--shamir", "--json"))["shares"]

    def serve_sealed(self) -> None:
        arguments = [command("control-plane"), "serve"]
        self._spawn("control-plane", arguments, self._control_settings(), lambda: self.readiness() is not None)

    def unseal(self, share: str, *, command_line=("unseal", "--json")) -> subprocess.CompletedProcess:
        return subprocess.run(
            [command("control-plane"), *command_line],
            env=environment(self._control_settings()),
            cwd=self.directory,
            input=share + "\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def readiness(self) -> tuple[int, str] | None:
        with httpx.Client(verify=False, trust_env=False) as probe:
            try:
                answer = probe.get(f"{self.control_plane_urls[0]}/readyz")
            except httpx.HTTPError:
                return None
        return answer.status_code, answer.json()["status"]

    def wait_for(self, status: int) -> None:
        deadline = time.monotonic() + 20
        while (self.readiness() or (0,))[0] != status:
            assert time.monotonic() < deadline, self.readiness()
            time.sleep(0.05)


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.delenv("OUTPOST_PROVIDER_URL", raising=False)
    running = SealedStage(tmp_path)
    yield running
    running.close()


def test_three_of_five_people_unseal_it_and_a_restart_seals_it_again(stage):
    shares = stage.init_in_shares()
    stage.serve_sealed()
    assert stage.readiness() == (503, "sealed")
    with pytest.raises(DemoFailed, match="answered 503"):
        stage.enrol("too-early")
    for share, (code, words) in [
        (shares[4], (0, '"given": 1')),
        (shares[4], (1, "given already")),
        (shares[1][:-2], (1, "wrong or missing")),
        (shares[0], (0, '"given": 2')),
    ]:
        done = stage.unseal(share)
        assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done
        assert share not in done.stdout + done.stderr
        assert stage.readiness() == (503, "sealed")
    assert json.loads(stage.unseal(shares[2]).stdout)["sealed"] is False
    stage.wait_for(200)
    stage.enrol("edge")

    # As long as it runs it signs; who revokes needs no share.
    outpost_id = json.loads(stage.control_plane("outpost", "list", "--json"))[-1]["id"]
    stage.control_plane("outpost", "revoke", outpost_id)
    with httpx.Client(verify=False, trust_env=False) as anybody:
        first = anybody.get(f"{stage.control_plane_urls[0]}/enroll/v1/crl")
    assert first.status_code == 200

    assert json.loads(stage.unseal("", command_line=("seal", "--json")).stdout)["sealed"] is True
    stage.wait_for(503)
    for share in shares[:3]:
        stage.unseal(share)
    stage.wait_for(200)

    stage.kill("control-plane")
    stage.serve_sealed()
    assert stage.readiness() == (503, "sealed")
    stage.stop("control-plane")
    log = (stage.directory / "control-plane.log").read_text()
    kept = b"".join(path.read_bytes() for path in (stage.directory / "control-plane").rglob("*") if path.is_file())
    assert not [share for share in shares if share in log or share.encode() in kept]
    kinds = [event["kind"] for event in json.loads(stage.control_plane("outpost", "events", "--json"))]
    assert kinds.count("unsealed") == 2
    assert kinds.count("sealed") == 1
