"""A container's health check: exit code 0 if the address answers 200 within the time, else 1 with the reason.

``python -m outpost.healthcheck [URL]``, only for this machine's own loopback. The certificate is therefore not
checked: the question is whether the process answers, and what it answers is not used. Standard library only, so that
a check every few seconds costs little.
"""

import http.client
import ipaddress
import ssl
import sys
from http import HTTPStatus
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:8301/healthz"  # not the proxy port, which may ask for client certificates
TIMEOUT_S = 4.0  # below the 5 s that the Dockerfile gives, so that the reason is still printed


def check(url: str, timeout_s: float = TIMEOUT_S) -> str | None:
    """None if ``url`` answers 200, else the reason in one sentence."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "the URL must name a loopback address by number"
    if parts.scheme not in {"http", "https"} or not local:
        return "the URL must be http or https on a loopback address"
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout_s, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as err:
        return f"no answer: {type(err).__name__}"
    finally:
        connection.close()
    return None if status == HTTPStatus.OK else f"answered {status}"


def main() -> None:
    """Check the URL of the command line, or the outpost's own."""
    reason = check(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_URL)
    if reason is not None:
        sys.exit(reason)


if __name__ == "__main__":
    main()
