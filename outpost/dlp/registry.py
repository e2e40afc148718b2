"""Every detector that ships. A new family is one file and one line here."""

from outpost.dlp.detector import Detector
from outpost.dlp.detectors import bank, contact, identity, network, payment, secrets

ALL: tuple[Detector, ...] = (
    *payment.DETECTORS,
    *bank.DETECTORS,
    *identity.DETECTORS,
    *contact.DETECTORS,
    *network.DETECTORS,
    *secrets.DETECTORS,
)
