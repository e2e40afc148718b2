"""RFC 5280's rules on what a certificate may contain, where OpenSSL's strict mode lets it pass.

None of them decides who is trusted; they keep out certificates that two readers may read differently. A certificate
that our own ``check`` released meets them all. Everything raises ``CertificateInvalid``, ``malformed`` if not said.
"""

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from pki.errors import CertificateInvalid, Reason
from pki.names import parse_server_name

_MAX_SERIAL = (1 << 159) - 1  # RFC 5280 §4.1.2.2: positive, at most 20 octets with the sign bit

# §4.2.1.9, §4.2.1.10, §4.2.1.11: "MUST mark this extension as critical".
_CRITICAL_IN_AUTHORITIES = (
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.POLICY_CONSTRAINTS,
)


def require_conforming_leaf(leaf: x509.Certificate) -> None:
    """§4.1.2.2; §4.2.1.6: names critical only without a subject; §4.2.1.10: no name constraints; EKU not critical."""
    _require_serial(leaf)
    critical = {extension.oid: extension.critical for extension in leaf.extensions}
    if ExtensionOID.NAME_CONSTRAINTS in critical:
        raise CertificateInvalid(Reason.MALFORMED, "a leaf constrains names")
    if critical.get(ExtensionOID.EXTENDED_KEY_USAGE):  # CA/B Baseline Requirements §7.1.2.7.10
        raise CertificateInvalid(Reason.MALFORMED, "the leaf's extended key usage is critical")
    names_critical = critical.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    if names_critical is not None and names_critical is bool(len(leaf.subject)):
        raise CertificateInvalid(Reason.MALFORMED, "alternative names are critical exactly when the subject is empty")


def require_conforming_server_names(leaf: x509.Certificate, names: list[x509.GeneralName]) -> None:
    """Every DNS name is one we could have issued, and a common name repeats one of the names. Reason ``name``."""
    spelled = {str(name.value) for name in names}
    for name in names:
        if isinstance(name, x509.DNSName):
            parse_server_name(name.value)
    if any(attribute.value not in spelled for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)):
        raise CertificateInvalid(Reason.NAME, "the common name is not one of the server's names")


def require_conforming_authority(authority: x509.Certificate, *, is_anchor: bool) -> None:
    """§4.1.2.2, criticality, and constraints that mean something; an anchor is limited by us, not by itself.

    An anchor's serial number is nobody's name (§6.1.1 d), and public roots with number 0 exist.
    """
    if not is_anchor:
        _require_serial(authority)
    extensions = {extension.oid: extension for extension in authority.extensions}
    for oid in _CRITICAL_IN_AUTHORITIES:
        if oid in extensions and not extensions[oid].critical:
            raise CertificateInvalid(Reason.MALFORMED, f"extension {oid.dotted_string} of an authority is not critical")
    if ExtensionOID.NAME_CONSTRAINTS in extensions:
        _require_plain_constraints(extensions[ExtensionOID.NAME_CONSTRAINTS].value)
    if is_anchor:
        if ExtensionOID.EXTENDED_KEY_USAGE in extensions:  # CA/B Baseline Requirements §7.1.2.1.2: a root has none
            raise CertificateInvalid(Reason.MALFORMED, "an anchor limits its own usage")
        _require_anchor_identifiers(authority)


def _require_anchor_identifiers(anchor: x509.Certificate) -> None:
    """§4.2.1.1: only a self-signed one may leave its issuer's key unsaid. CA/B §7.1.2.1.3: if said, it is its own."""
    try:
        aki = anchor.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound as err:
        if anchor.subject != anchor.issuer:
            raise CertificateInvalid(Reason.MALFORMED, "an anchor does not say which key signed it") from err
        return
    if aki.key_identifier is None:
        raise CertificateInvalid(Reason.MALFORMED, "an anchor's authority key identifier is empty")
    if anchor.subject == anchor.issuer:
        own = anchor.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        if aki != x509.AuthorityKeyIdentifier(own, None, None):
            raise CertificateInvalid(Reason.MALFORMED, "a self-signed anchor names another key as its issuer's")


def _require_plain_constraints(constraints: x509.NameConstraints) -> None:
    """§4.2.1.10: a DNS constraint is a name without a leading period."""
    subtrees = [*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())]
    if any(isinstance(subtree, x509.DNSName) and subtree.value.startswith(".") for subtree in subtrees):
        raise CertificateInvalid(Reason.MALFORMED, "a name constraint is not a DNS name")


def _require_serial(certificate: x509.Certificate) -> None:
    if not 0 < certificate.serial_number <= _MAX_SERIAL:
        raise CertificateInvalid(Reason.MALFORMED, "a serial number is not positive or too long")
