"""Paths of every HTTP surface between an outpost and its control plane (design §3)."""

# 8100, server TLS: first contact
ANCHORS = "/enroll/v1/anchors"
ENROL = "/enroll/v1/outposts"
RECOVER = "/enroll/v1/recover"
PUBLIC_CRL = "/enroll/v1/crl"

# 8443, mutual TLS
OUTPOST_PREFIX = "/outpost/v1"
TUF_METADATA = "/outpost/v1/tuf/metadata/{filename}"
TUF_TARGETS = "/outpost/v1/tuf/targets/{filename}"
WATCH = "/outpost/v1/watch"
HEARTBEAT = "/outpost/v1/heartbeat"
AUDIT = "/outpost/v1/audit"
SECRETS = "/outpost/v1/secrets"
CRL = "/outpost/v1/crl"
TRUST = "/outpost/v1/trust"
CERTIFICATE = "/outpost/v1/certificate"
ADMISSION = "/outpost/v1/admission"  # for a cache in between, before it gives anything out

# both sides
HEALTHZ = "/healthz"
READYZ = "/readyz"
HEALTH = "/health"
