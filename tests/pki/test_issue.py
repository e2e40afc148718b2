from datetime import timedelta

from cryptography import x509

from pki.issue import Issuer, issue
from pki.keys import generate_private_key
from pki.names import SpiffeId
from pki.profiles import outpost_profile, root_profile
from pki.signer import LocalSigner
from tests.fakes.clock import NOON
from tests.fakes.pki import test_authority as authority

CA = authority()
KEY = generate_private_key()


def test_a_root_is_its_own_issuer_and_has_no_authority_key_identifier():
    certificate = issue(root_profile("example.org", "R"), KEY.public_key(), Issuer(None, LocalSigner(KEY)), NOON, 77)
    assert certificate.issuer == certificate.subject
    assert certificate.serial_number == 77
    kinds = {type(extension.value) for extension in certificate.extensions}
    assert kinds == {x509.BasicConstraints, x509.KeyUsage, x509.SubjectKeyIdentifier}
    certificate.verify_directly_issued_by(certificate)


def test_the_same_inputs_give_the_same_certificate_but_for_the_signature():
    profile = outpost_profile(SpiffeId("example.org", "acme", "o1"))
    issuer = Issuer(CA.intermediate.certificate, LocalSigner(CA.intermediate_key))
    first, second = (issue(profile, KEY.public_key(), issuer, NOON, 99) for _ in range(2))
    assert first.tbs_certificate_bytes == second.tbs_certificate_bytes
    later = issue(profile, KEY.public_key(), issuer, NOON + timedelta(seconds=1), 99)
    assert later.tbs_certificate_bytes != first.tbs_certificate_bytes
