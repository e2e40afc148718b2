import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from pki.errors import CertificateInvalid, KeyFileError, Reason
from pki.files import (
    make_private_dir,
    read_certificates,
    read_private_key,
    write_atomic,
    write_private,
    write_public,
)
from pki.keys import generate_private_key, private_key_to_pem
from pki.pem import MAX_PEM_BYTES, certificates_to_pem
from tests.fakes.pki import test_authority as authority

ROOT_OF_REPOSITORY = Path(__file__).resolve().parents[2]


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def _umask(value):
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _no_file_larger_than(limit_bytes):
    """The kernel itself refuses to write on, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777], ids=oct)
@pytest.mark.parametrize(("write", "mode"), [(write_private, 0o600), (write_public, 0o644)], ids=["private", "public"])
def test_files_have_their_mode_whatever_the_umask(tmp_path, write, mode, umask):
    path = tmp_path / "file"
    with _umask(umask):
        write(path, b"content")
    assert (path.read_bytes(), _mode(path)) == (b"content", mode)


def test_a_private_file_that_was_open_is_closed(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(b"old")
    path.chmod(0o666)
    write_private(path, b"new")
    assert (path.read_bytes(), _mode(path)) == (b"new", 0o600)


def test_a_link_is_replaced_and_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"untouched")
    link = tmp_path / "link"
    link.symlink_to(target)
    write_private(link, b"new")
    assert target.read_bytes() == b"untouched"
    assert not link.is_symlink()


def test_when_the_disk_is_full_the_old_file_stays(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with _no_file_larger_than(4096), pytest.raises(OSError, match="File too large"):
        write_atomic(path, b"n" * 100_000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_when_the_name_cannot_be_taken_nothing_is_left(tmp_path):
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomic(path, b"content")
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_directory_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "missing" / "file", b"content")


WRITER = """
    import sys
    from pathlib import Path
    from pki.files import write_private
    path, round = Path(sys.argv[1]), 0
    while True:
        write_private(path, bytes([round % 256]) * 300_000)
        round += 1
"""


def test_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "file"
    for delay_s in (0.0, 0.003, 0.011, 0.02, 0.05):
        writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(WRITER), path], cwd=ROOT_OF_REPOSITORY)
        deadline = time.monotonic() + 20
        path.unlink(missing_ok=True)
        while not path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(delay_s)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        content = path.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1
        assert _mode(path) == 0o600


STRACE_LOG_LINES = ("fsync", "rename", "fsync")


def test_content_is_durable_before_its_name_and_the_name_before_return(tmp_path):
    """The order of system calls, from the kernel's side."""
    strace = Path("/usr/bin/strace")
    if not strace.exists():
        pytest.skip("strace is not installed, so the order of system calls cannot be seen")
    program = "import sys; from pathlib import Path; from pki.files import write_private; "
    program += "write_private(Path(sys.argv[1]), b'x')"
    log = tmp_path / "log"
    done = subprocess.run(
        [
            strace,
            "-o",
            log,
            "-e",
            "trace=fsync,rename,renameat,renameat2",
            sys.executable,
            "-c",
            program,
            tmp_path / "f",
        ],
        cwd=ROOT_OF_REPOSITORY,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0 and b"ptrace" in done.stderr:
        pytest.skip("tracing is not permitted here")
    calls = [line.split("(")[0] for line in log.read_text().splitlines() if "(" in line]
    assert [call.removesuffix("at2").removesuffix("at") for call in calls] == list(STRACE_LOG_LINES)


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_when_the_disk_fails_the_old_file_stays(tmp_path, call):
    strace = Path("/usr/bin/strace")
    if not strace.exists():
        pytest.skip("strace is not installed, so the fault cannot be injected")
    path = tmp_path / "dir" / "f"
    path.parent.mkdir()
    path.write_bytes(b"old")
    program = "import sys; from pathlib import Path; from pki.files import write_private; "
    program += "write_private(Path(sys.argv[1]), b'new')"
    done = subprocess.run(
        [
            strace,
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            f"inject={call}:error=EIO:when=1",
            sys.executable,
            "-c",
            program,
            path,
        ],
        cwd=ROOT_OF_REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert "Input/output error" in done.stderr
    assert done.returncode == 1
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_private_directory_is_private(tmp_path):
    path = tmp_path / "a" / "b"
    with _umask(0):
        make_private_dir(path)
    assert _mode(path) == 0o700
    path.chmod(0o755)
    make_private_dir(path)
    assert _mode(path) == 0o700


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(FileExistsError):
        make_private_dir(path)


KEY = generate_private_key()


@pytest.mark.parametrize("passphrase", [None, b"correct horse"], ids=["plain", "sealed"])
def test_a_key_is_read_back(tmp_path, passphrase):
    path = tmp_path / "key.pem"
    write_private(path, private_key_to_pem(KEY, passphrase))
    assert read_private_key(path, passphrase).private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610], ids=oct)
def test_a_key_others_can_touch_is_refused(tmp_path, mode):
    path = tmp_path / "key.pem"
    write_private(path, private_key_to_pem(KEY, None))
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="open to group or others"):
        read_private_key(path, None)


def _missing(path):
    pass


def _large(path):
    write_private(path, b"x" * 100_000)


@pytest.mark.parametrize(
    "make", [_missing, Path.mkdir, os.mkfifo, _large], ids=["missing", "directory", "pipe", "large"]
)
def test_what_is_no_key_file_is_refused(tmp_path, make):
    path = tmp_path / "key.pem"
    make(path)
    with pytest.raises(KeyFileError):
        read_private_key(path, None)


def test_certificates_are_read_back(tmp_path):
    path = tmp_path / "chain.pem"
    chain = (authority().intermediate.certificate, authority().root.certificate)
    write_public(path, certificates_to_pem(chain))
    assert read_certificates(path) == chain


@pytest.mark.parametrize("content", [b"", b"hello", b"\n" * (MAX_PEM_BYTES + 1)], ids=["empty", "text", "large"])
def test_other_files_are_no_certificates(tmp_path, content):
    path = tmp_path / "chain.pem"
    path.write_bytes(content)
    with pytest.raises(CertificateInvalid) as refusal:
        read_certificates(path)
    assert refusal.value.reason is Reason.MALFORMED


def test_a_missing_certificate_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_certificates(tmp_path / "missing.pem")
