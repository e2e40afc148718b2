"""One fixed, full sample of everything that crosses a boundary; the golden files hold their exact bytes."""

from datetime import UTC, datetime

from pydantic import BaseModel

from outpost.protocol import messages
from outpost.protocol.budgets import AtLimit, Budget, BudgetsDocument, Subject
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.detectors import (
    AllowEntry,
    Checksum,
    CustomRule,
    DetectorsDocument,
    DetectorSetting,
    KeyedDigests,
    TopicRule,
)
from outpost.protocol.documents import (
    CombiningAlgorithm,
    Conditions,
    KeysDocument,
    Messages,
    Pack,
    PolicyDocument,
    RouteTo,
    Rule,
    VirtualKeyDigest,
)
from outpost.protocol.models import ModelsDocument, PackReference
from outpost.protocol.routing import Provider, ProviderKey, Retry, Route, RouteTarget, RoutingDocument, Timeouts
from outpost.protocol.smoke import Expectation, SmokeCase, SmokeDocument

AT = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
PEM = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"

TRUST = messages.TrustUpdate(
    generation=2, anchors_pem=[PEM, PEM], intermediates_pem=[PEM], cross_certificates_pem=[PEM]
)

MESSAGES: dict[str, BaseModel] = {
    "anchors": messages.Anchors(anchors_pem=[PEM]),
    "enrol_request": messages.EnrolRequest(
        token="oet1.edge-1.secret.anchor",
        csr_pem=PEM,
        hpke_public_key=b"AQID",
        audit_public_key=b"BAUG",
        outpost_version="0.1.0",
    ),
    "enrol_response": messages.EnrolResponse(
        org_id="acme",
        outpost_id="edge-1",
        trust_domain="outpost.test",
        certificate_pem=PEM,
        intermediates_pem=[PEM],
        anchors_pem=[PEM],
        tuf_root=b"e30=",
        receipt_vkey="outpost.test/receipts+00000000+AQ==",
        sync_url="https://control-plane.test:8443",
    ),
    "heartbeat": messages.Heartbeat(
        outpost_version="0.1.0",
        sent_at=AT,
        bundle=messages.BundleReport(
            snapshot_version=7, applied_at=AT, refused_version=8, refused_reason="policy.json: packs: missing"
        ),
        audit_size=12,
        audit_delivered=11,
        certificate_sha256="ab" * 32,
        trust_generation=2,
        instance_id="instance-1",
    ),
    "heartbeat_without_bundle": messages.Heartbeat(
        outpost_version="0.1.0", sent_at=AT, bundle=None, audit_size=0, audit_delivered=0
    ),
    "heartbeat_reply": messages.HeartbeatReply(server_time=AT, interval_s=30, trust_generation=2, renew=True),
    "trust_update": TRUST,
    "renew_request": messages.RenewRequest(csr_pem=PEM),
    "recover_request": messages.RecoverRequest(certificate_pem=PEM, csr_pem=PEM, proof=b"BAUG"),
    "certificate_response": messages.CertificateResponse(certificate_pem=PEM, trust=TRUST),
    "watch_reply": messages.WatchReply(snapshot_version=7),
    "audit_batch": messages.AuditBatch(
        first_seq=10,
        events=['{"kind":"system","v":1}', ""],
        checkpoint="origin\n12\nAQ==\n\n— name sig\n",
        gaps=[messages.AuditGap(seq=11, leaf_hash="ab" * 32)],
    ),
    "audit_receipt": messages.AuditReceipt(size=12, note="origin\n12\nAQ==\n\n— name sig\n— receipts sig\n"),
    "sealed_secrets": messages.SealedSecrets(version=3, sealed=b"AQIDBA=="),
    "error_body": messages.ErrorBody(code=ErrorCode.AUDIT_INVALID, message="expected first_seq 12", expected_seq=12),
}

DOCUMENTS: dict[str, BaseModel] = {
    "policy": PolicyDocument(
        schema_version="1",
        max_offline_s=604_800,
        packs=[
            Pack(
                id="baseline",
                sequence=10,
                combining=CombiningAlgorithm.DENY_OVERRIDES,
                default=Action.ALLOW,
                rules=[
                    Rule(
                        id="no-cards",
                        sequence=1,
                        when=Conditions(
                            findings=["pci.*", "secret.api_key", "*"],
                            min_score=0.75,
                            directions=[Direction.INPUT, Direction.OUTPUT],
                            models=["gpt-4o"],
                            groups=["finance"],
                            surfaces=["openai.chat"],
                        ),
                        action=Action.BLOCK,
                        reason="card data stays here",
                        messages=Messages(user="Take the card number out.", officer="PCI DSS 3.4"),
                    ),
                    Rule(id="mask", sequence=2, when=Conditions(findings=["pii.email"]), action=Action.REDACT),
                    Rule(id="rest", sequence=3, when=Conditions(), action=Action.ALLOW),
                    Rule(
                        id="inside",
                        sequence=4,
                        when=Conditions(findings=["health.*"], directions=[Direction.INPUT]),
                        action=Action.ROUTE_TO,
                        route_to=RouteTo(provider="in-house", model="llama-3"),
                    ),
                ],
                messages=Messages(officer="agreed with the works council"),
            )
        ],
    ),
    "keys": KeysDocument(
        schema_version="1",
        keys=[
            VirtualKeyDigest(
                id="key-1",
                prefix="sk-op-test-abcdEFGH",
                pepper_id="pepper-1",
                digest="0f" * 32,
                group="finance",
                allowed_models=["gpt-4o"],
                allowed_networks=["10.0.0.0/8", "2001:db8::/32"],
                expires_at=AT,
            ),
            VirtualKeyDigest(
                id="key-2", prefix="sk-op-a-01234567", pepper_id="pepper-1", digest="1e" * 32, group="all"
            ),
        ],
    ),
    "routing": RoutingDocument(
        schema_version="1",
        providers=[
            Provider(id="openai", surface="openai", base_url="https://llm.example/v1", models=["gpt-4o", "*"]),
            Provider(
                id="in-house",
                surface="openai",
                base_url="http://10.0.0.7:8000/v1",
                models=["llama-3"],
                keys=[ProviderKey(id="in-house"), ProviderKey(id="in-house-2", weight=0)],
                timeouts=Timeouts(connect_s=1, first_byte_s=20.5),
                max_connections=64,
                local=True,
            ),
        ],
        routes=[
            Route(
                id="cheap",
                models=["fast"],
                targets=[
                    RouteTarget(provider="openai", model="gpt-4o-mini", weight=9),
                    RouteTarget(provider="in-house", model="llama-3", order=1),
                ],
            )
        ],
        retry=Retry(max_attempts=2, deadline_s=60, wait_s=5),
    ),
    "detectors": DetectorsDocument(
        schema_version="1",
        settings=[
            DetectorSetting(kind="pii.phone", min_score=0.8),
            DetectorSetting(detector="card-short/luhn", enabled=False),
        ],
        allow=[
            AllowEntry(id="test-cards", kinds=["pci.pan"], values=["4111 1111 1111 1111"]),
            AllowEntry(id="own-domains", kinds=["pii.email"], email_domains=["acme.example", "*.acme.example"]),
            AllowEntry(
                id="own-accounts",
                kinds=["fin.*"],
                digests=KeyedDigests(pepper_id="pepper-1", hmac_sha256=["0f" * 32]),
            ),
        ],
        custom=[
            CustomRule(id="projects", kind="custom.project", keywords=["Bluebird", "Operation Nightjar"]),
            CustomRule(
                id="staff-numbers",
                kind="custom.staff.number",
                pattern=r"\bM[0-9]{7}\b",
                ignore_case=False,
                score=0.3,
                context_words=["staff", "badge"],
                context_score=0.9,
                checksum=Checksum.LUHN,
            ),
        ],
        topics=[
            TopicRule(
                id="leave",
                kind="topic.leave",
                examples=["How many days off have I got?", "May I take Friday off?"],
                similarity=0.7,
            )
        ],
    ),
    "budgets": BudgetsDocument(
        schema_version="1",
        budgets=[
            Budget(
                id="finance", subject=Subject(group="finance"), monthly_micro_usd=500_000_000, at_limit=AtLimit.BLOCK
            ),
            Budget(id="trial", subject=Subject(key="key-1"), monthly_tokens=1_000_000, at_limit=AtLimit.WARN),
        ],
    ),
    "smoke": SmokeDocument(
        schema_version="1",
        cases=[
            SmokeCase(
                id="cards-stay",
                text="My card is 4012 8888 8888 1881.",
                direction=Direction.INPUT,
                surface="openai.chat",
                model="gpt-4o",
                group="finance",
                expect=Expectation(action=Action.BLOCK, kinds=["pci.pan"]),
            ),
            SmokeCase(
                id="small-talk",
                text="Good morning!",
                direction=Direction.OUTPUT,
                expect=Expectation(action=Action.ALLOW),
            ),
        ],
    ),
    "models": ModelsDocument(
        schema_version="1", pack=PackReference(name="default", card_sha256="40c018d463ab" + "0" * 52)
    ),
}
