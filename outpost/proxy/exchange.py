"""One request on its way through the proxy: what is known of it so far, and the audit events that say so."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from outpost.audit.event import AuditEvent, AuditFinding
from outpost.budget.keys import Caller
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.protocol.findings import Finding
from outpost.protocol.ids import RequestId
from outpost.proxy.attempts import Hop, Outcome
from outpost.proxy.segments import Located

_STRICTEST_FIRST: Final = (Action.BLOCK, Action.ROUTE_TO, Action.REDACT)


@dataclass(slots=True)
class Exchange:
    """Facts gathered while a request is served. ``model`` is set only once it is known to hold nothing private."""

    request_id: RequestId
    surface: str
    address: str | None
    started_s: float = field(default_factory=time.perf_counter)
    caller: Caller | None = None
    model: str | None = None
    provider_id: str | None = None
    upstream_model: str | None = None
    """What the provider is asked for, if that is not what the caller named."""
    attempts: list[str] = field(default_factory=list)
    """``provider outcome`` of each, or ``provider/key outcome``; kept only if one of them failed."""
    bundle_version: int | None = None
    decision: Decision | None = None
    input_bytes: int = 0
    output_bytes: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    output_decision: Decision | None = None
    output_findings: Sequence[Finding] = ()
    code: str = ""
    """Why it was refused or ended early; empty if neither."""
    detail: str | None = None
    answering: bool = False
    """The first byte of an answer may be out, so no refusal can take its place."""
    closed: bool = False
    """Its end has been handed to the audit log."""

    def planned(self, hops: Sequence[Hop]) -> None:
        """The first of ``hops`` is to be asked."""
        if hops:
            self._goes_to(hops[0])

    def tried(self, hop: Hop, outcome: Outcome) -> None:
        """``hop`` was asked."""
        self._goes_to(hop)
        if self.attempts or outcome is not Outcome.OK:
            self.attempts.append(f"{hop} {outcome}")

    def left_out(self, places: Sequence[str]) -> None:
        """What a provider of another API is not told of."""
        self.detail = f"not told to the provider: {', '.join(places)}" if places else None

    def _goes_to(self, hop: Hop) -> None:
        self.provider_id, self.upstream_model = hop.provider.id, hop.model

    def decision_event(self, at: datetime, decision: Decision, located: Sequence[Located]) -> AuditEvent:
        """The input pass: what was decided about the prompt, and by which rule."""
        return self._event(
            "decision",
            at,
            Direction.INPUT,
            decision,
            tuple(AuditFinding.of(item.finding, item.segment) for item in located),
        )

    def output_event(self, at: datetime, decision: Decision, findings: Sequence[Finding]) -> AuditEvent:
        """The output pass over a part of what the provider says, where that has no end of its own."""
        return self._event("decision", at, Direction.OUTPUT, decision, tuple(map(AuditFinding.of, findings)))

    def refusal_event(self, at: datetime, code: ErrorCode, status: int) -> AuditEvent:
        """The end of an exchange that was refused: by the policy, for a fault, or by the provider."""
        if self.output_decision is not None or code.startswith("provider_"):
            return self.completion_event(at, outcome_of(code), status, code)
        blocked = self.decision is not None and self.decision.action is Action.BLOCK
        self.closed = True
        decision = self.decision if blocked else Decision(Action.BLOCK, f"fail-closed/{code}", "")
        return self._event("completion", at, None, decision, (), code=code, outcome=outcome_of(code), status=status)

    def completion_event(self, at: datetime, outcome: str, status: int, code: ErrorCode | None = None) -> AuditEvent:
        """The end of an exchange that reached the provider, with the output pass. There is one end only."""
        self.closed = True
        findings = tuple(AuditFinding.of(finding) for finding in self.output_findings)
        decision = self.output_decision
        return self._event(
            "completion", at, Direction.OUTPUT, decision, findings, code=code, outcome=outcome, status=status
        )

    def abandoned_event(self, at: datetime, outcome: str) -> AuditEvent:
        """The end of an exchange for which nobody waits any more, wherever it was."""
        status = _STATUS_OF[outcome]
        if self.decision is not None:
            return self.completion_event(at, outcome, status)
        self.closed = True
        return self._event("completion", at, None, None, (), outcome=outcome, status=status)

    @property
    def action(self) -> Action:
        """The strictest of what was decided about the prompt and the answer."""
        actions = [decision.action for decision in (self.decision, self.output_decision) if decision]
        return next((action for action in _STRICTEST_FIRST if action in actions), Action.ALLOW)

    def elapsed_ms(self) -> float:
        """Milliseconds since the request arrived."""
        return round((time.perf_counter() - self.started_s) * 1000, 3)

    def _event(  # noqa: PLR0913 - one argument per column
        self,
        kind: str,
        at: datetime,
        direction: Direction | None,
        decision: Decision | None,
        findings: tuple[AuditFinding, ...],
        *,
        code: ErrorCode | None = None,
        outcome: str | None = None,
        status: int | None = None,
    ) -> AuditEvent:
        return AuditEvent(
            kind=kind,
            at=at,
            request_id=self.request_id,
            key_id=self.caller.key_id if self.caller else None,
            group=self.caller.group if self.caller else None,
            surface=self.surface,
            model=self.model,
            provider=self.provider_id,
            upstream_model=self.upstream_model,
            attempts=tuple(self.attempts),
            direction=direction,
            action=decision.action if decision else None,
            rule_id=decision.rule_id if decision else None,
            reason=decision.reason or None if decision else None,
            code=code,
            findings=findings,
            bundle_version=self.bundle_version,
            outcome=outcome,
            detail=self.detail,
            status=status,
            input_bytes=self.input_bytes,
            output_bytes=self.output_bytes,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            latency_ms=self.elapsed_ms() if kind == "completion" else None,
        )


CLIENT_GONE: Final = "client_gone"
CUT_OFF: Final = "cut_off"  # the outpost ended before the exchange did
_STATUS_OF: Final = {CLIENT_GONE: 499, CUT_OFF: 503}  # 499 is NGINX's word for it


def outcome_of(code: ErrorCode) -> str:
    """The audit log's word for how an exchange with this error ended."""
    if code in {ErrorCode.POLICY_BLOCKED, ErrorCode.UNSCANNABLE}:
        return "blocked"
    if code is ErrorCode.PROVIDER_TIMEOUT:
        return "provider_timeout"
    return "provider_error" if code.startswith("provider_") else "refused"
