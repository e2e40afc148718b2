"""A disk that stops taking data."""

import contextlib
import resource


@contextlib.contextmanager
def file_size_limit(size_bytes):
    """write(2) fails with EFBIG beyond the limit, which SQLite reports as an I/O error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
