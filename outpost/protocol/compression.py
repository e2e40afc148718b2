"""Zstandard (RFC 8878) as both ends use it: one frame, a bounded window, and never more than was expected.

Guarantee: ``expand`` gives at most ``max_bytes``, whatever the frame claims or however much it would unfold to, in
memory of that size and one window; any bytes give a value or ``CompressionInvalid``.
"""

import sys
from typing import Final

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, DecompressionParameter, ZstdDecompressor, ZstdError
    from compression.zstd import compress as _compress
else:
    from backports.zstd import CompressionParameter, DecompressionParameter, ZstdDecompressor, ZstdError
    from backports.zstd import compress as _compress

ENCODING: Final = "zstd"
LEVEL: Final = 3  # zstd's own default: key digests to a half at 200 MB/s; higher levels gain a hundredth of that
_WINDOW_LOG_MAX: Final = 23  # 8 MB, what every decoder must support and no encoder should exceed (RFC 8878 §3.1.1.1.2)


class CompressionInvalid(ValueError):
    """The bytes are not one whole frame within the bounds."""


def compress(data: bytes) -> bytes:
    """``data`` as one frame, with a checksum: a medium that has lost a bit is noticed whatever the bit belonged to."""
    options: dict[int, int] = {CompressionParameter.compression_level: LEVEL, CompressionParameter.checksum_flag: 1}
    return _compress(data, options=options)


def expand(data: bytes, max_bytes: int) -> bytes:
    """What one frame holds.

    Raises:
        CompressionInvalid: It is malformed, incomplete, followed by something, or holds more than ``max_bytes``.
    """
    decompressor = ZstdDecompressor(options={DecompressionParameter.window_log_max: _WINDOW_LOG_MAX})
    try:
        expanded = decompressor.decompress(data, max_bytes)
        # What is exactly as long as it may be has its end still to come, which must give nothing more.
        more = b"" if decompressor.eof or decompressor.needs_input else decompressor.decompress(b"", 1)
    except ZstdError as err:
        raise CompressionInvalid("this is no zstd frame") from err
    if more:
        raise CompressionInvalid(f"it holds more than the {max_bytes} bytes it may")
    if not decompressor.eof or decompressor.unused_data:
        raise CompressionInvalid("this is not exactly one zstd frame")
    return expanded
