"""Every detector that ships. A new family is one file and one line here."""

from outpost.dlp.detector import Detector
from outpost.dlp.detectors import (
    bank,
    contact,
    generic_secrets,
    identity,
    network,
    payment,
    secrets,
    secrets_files,
    secrets_urls,
    secrets_vendors_ai,
    secrets_vendors_business,
    secrets_vendors_cloud,
    secrets_vendors_code,
    secrets_vendors_named,
)

ALL: tuple[Detector, ...] = (
    *payment.DETECTORS,
    *bank.DETECTORS,
    *identity.DETECTORS,
    *contact.DETECTORS,
    *network.DETECTORS,
    *secrets.DETECTORS,
    *secrets_vendors_ai.DETECTORS,
    *secrets_vendors_business.DETECTORS,
    *secrets_vendors_cloud.DETECTORS,
    *secrets_vendors_code.DETECTORS,
    *secrets_vendors_named.DETECTORS,
    *secrets_files.DETECTORS,
    *secrets_urls.DETECTORS,
    *generic_secrets.DETECTORS,
)
