"""Reads documents as an outpost would, and says line by line what it would refuse and what is probably a mistake. Pure.

Errors are exactly what refuses a bundle: the same parser, the same compiler, the same smoke cases. Warnings are
legal and suspicious. Notes are worth knowing. None quotes a value that could be confidential.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeVar

from outpost.dlp.custom import MAX_VARIABLE_CHARS_TOGETHER, CustomRuleInvalid, custom_detectors
from outpost.dlp.custom_pattern import parse_pattern
from outpost.dlp.lists import checked_list, list_finder, list_name
from outpost.dlp.pattern_cost import estimate_cost
from outpost.errors import BundleRejected
from outpost.policy.compile import NO_LISTS, Lists, compile_engine
from outpost.policy.covers import covers
from outpost.policy.evaluate import DENY_RANK, compile_policy
from outpost.policy.lint_routing import lint_routing
from outpost.policy.model_rules import only_models_find
from outpost.policy.problems import Found, Problem, Severity
from outpost.policy.smoke import failures
from outpost.policy.topic_lint import JudgedTopic, judged_problems, topic_problems
from outpost.protocol.budgets import BudgetsDocument
from outpost.protocol.decisions import Action
from outpost.protocol.detectors import DetectorsDocument, ListRule
from outpost.protocol.document_set import MODELS, NO_DETECTORS
from outpost.protocol.documents import (
    BUDGETS_TARGET,
    DETECTORS_TARGET,
    KEYS_TARGET,
    POLICY_TARGET,
    ROUTING_TARGET,
    SMOKE_TARGET,
    CombiningAlgorithm,
    Conditions,
    Document,
    DocumentError,
    KeysDocument,
    Pack,
    PolicyDocument,
    RouteTo,
    Rule,
    kind_matches,
    parse_document,
)
from outpost.protocol.json_tokens import Path, Places
from outpost.protocol.list_file import ListFileInvalid, list_target
from outpost.protocol.routing import Provider, Route, RouteTarget, RoutingDocument
from outpost.protocol.smoke import SmokeDocument

_TOPICS: Final = "topic."
_CONFIDENTIAL: Final = ("secret.", "pci.", "pii.national_id", "health.")

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Linted:
    """The problems in the order of documents and lines, and the documents that could be read."""

    problems: tuple[Problem, ...]
    documents: dict[str, Document]


def lint_documents(contents: Mapping[str, bytes], lists: Lists = NO_LISTS) -> Linted:
    """Look at documents given by target name; any may be absent, then nothing is said about what depends on it.

    Lists that are not among ``lists``, or whose key is not, are not tried, and neither are smoke cases then.
    """
    found: list[Found] = []
    documents: dict[str, Document] = {}
    problems: list[Problem] = []
    for name, model in MODELS.items():
        if name not in contents:
            continue
        syntax = _syntax(name, contents[name])
        if syntax is not None:
            problems.append(syntax)
            continue
        try:
            documents[name] = parse_document(model, name, contents[name])
        except DocumentError as err:
            found += _malformed(name, contents[name], err)
    found += _look(documents, lists)
    for name in MODELS:
        here = [item for item in found if item.document == name]
        places = Places(contents[name]) if here else None
        for item in here:
            if places is not None:
                place = item.place or places.of(item.path)
                path = ".".join(map(str, item.path))
                problems.append(Problem(name, place.line, place.column, path, item.severity, item.code, item.message))
    order = list(MODELS)
    problems.sort(key=lambda problem: (order.index(problem.document), problem.line, problem.column, problem.code))
    return Linted(tuple(problems), documents)


def with_judged_topics(linted: Linted, contents: Mapping[str, bytes], topics: Sequence[JudgedTopic]) -> Linted:
    """``linted`` with what a model pack makes of the topics in ``detectors.json``."""
    if not topics:
        return linted
    places = Places(contents[DETECTORS_TARGET])
    added = []
    for problem in judged_problems(topics):
        path: Path = ("topics", problem.topic)
        place = places.of(path)
        severity = Severity.WARNING if problem.is_warning else Severity.NOTE
        where = ".".join(map(str, path))
        added.append(
            Problem(DETECTORS_TARGET, place.line, place.column, where, severity, problem.code, problem.message)
        )
    return Linted((*linted.problems, *added), linted.documents)


def _syntax(name: str, content: bytes) -> Problem | None:
    """The place of what is not JSON at all."""
    try:
        text = content.decode("utf-8")
        json.loads(text)
    except UnicodeDecodeError as err:
        before = content[: err.start]
        column = err.start - before.rfind(b"\n")
        return Problem(name, before.count(b"\n") + 1, column, "", Severity.ERROR, "syntax", "this is not UTF-8")
    except json.JSONDecodeError as err:
        return Problem(name, err.lineno, err.colno, "", Severity.ERROR, "syntax", err.msg)
    except (RecursionError, ValueError):
        return Problem(name, 1, 1, "", Severity.ERROR, "syntax", "nested too deep, or a number that is too long")
    return None


def _malformed(name: str, content: bytes, err: DocumentError) -> Iterator[Found]:
    twice = Places(content).twice
    for path, message in err.problems:
        if twice and message.startswith("duplicate name"):
            for where, place in twice:
                said = f"{where[-1]!r} stands in this object a second time"
                yield Found(name, where, Severity.ERROR, "duplicate-name", said, place)
        else:
            steps = tuple(int(step) if step.isdecimal() else step for step in path.split(".") if step)
            yield Found(name, steps, Severity.ERROR, "schema", message + _suggestion(steps, message))


def _suggestion(path: Path, message: str) -> str:
    if "Extra inputs" not in message or not path:
        return ""
    known = {field for model in _all_models() for field in model.model_fields}
    return _did_you_mean(str(path[-1]), known)


def _all_models() -> tuple[type[Document], ...]:
    return (*MODELS.values(), Pack, Rule, Conditions, RouteTo, Provider, Route, RouteTarget)


def _look(documents: Mapping[str, Document], lists: Lists) -> Iterator[Found]:
    policy = _get(documents, POLICY_TARGET, PolicyDocument)
    routing = _get(documents, ROUTING_TARGET, RoutingDocument)
    if routing is not None:
        yield from lint_routing(policy, routing)
    detectors = _get(documents, DETECTORS_TARGET, DetectorsDocument)
    budgets = _get(documents, BUDGETS_TARGET, BudgetsDocument)
    if budgets is not None and budgets.budgets:
        message = "this version cannot enforce budgets, so an outpost refuses the bundle"
        yield Found(BUDGETS_TARGET, ("budgets",), Severity.ERROR, "unenforced", message)
    said = list(_lists((detectors or NO_DETECTORS).lists, lists))
    yield from said
    if any(one.severity is Severity.ERROR for one in said):
        return
    try:
        engine = compile_engine(detectors or NO_DETECTORS, {}, None if said else lists)
    except BundleRejected as err:
        yield _uncompiled(detectors or NO_DETECTORS, err)
        return
    kinds = sorted({d.kind for d in engine.detectors if max(d.base_score, d.context_score) > 0})
    kinds = sorted({*kinds, *(rule.kind for rule in (detectors or NO_DETECTORS).lists)})
    if detectors is not None:
        yield from _detectors(detectors, compile_engine(_custom_only(detectors), {}, None).detectors, kinds)
    if policy is None:
        return
    topics = None if detectors is None else {rule.kind for rule in detectors.topics}
    yield from _policy(policy, kinds, topics)
    yield from _unused(policy, _get(documents, KEYS_TARGET, KeysDocument), routing)
    smoke = _get(documents, SMOKE_TARGET, SmokeDocument)
    if smoke is None or said:
        return
    numbers = {case.id: number for number, case in enumerate(smoke.cases)}
    for failure in failures(smoke, engine, compile_policy(policy)):
        yield Found(SMOKE_TARGET, ("cases", numbers[failure.case_id]), Severity.ERROR, "smoke", str(failure))


def _lists(rules: Sequence[ListRule], lists: Lists) -> Iterator[Found]:
    """A note for each list that cannot be tried here, an error for each that an outpost would refuse."""
    for number, rule in enumerate(rules):
        path: Path = ("lists", number)
        content = lists.contents.get(rule.id)
        if content is None:
            message = f"not tried: there is no {list_target(rule.id)} beside this document"
            yield Found(DETECTORS_TARGET, path, Severity.NOTE, "list-untried", message)
            continue
        try:
            key_id = checked_list(rule, content).header.key_id
            if key_id in lists.keys:
                list_finder(rule, content, lists.keys)
                continue
        except ListFileInvalid as err:
            yield Found(DETECTORS_TARGET, path, Severity.ERROR, "list", str(err))
        else:
            message = f"not tried: it was made with list key {key_id}; give its file with --list-key"
            yield Found(DETECTORS_TARGET, path, Severity.NOTE, "list-untried", message)


def _get(documents: Mapping[str, Document], name: str, model: type[D]) -> D | None:
    document = documents.get(name)
    return document if isinstance(document, model) else None


def _custom_only(detectors: DetectorsDocument) -> DetectorsDocument:
    return DetectorsDocument(schema_version="1", custom=detectors.custom)


def _uncompiled(detectors: DetectorsDocument, err: BundleRejected) -> Found:
    path: Path = ("custom",)
    try:
        custom_detectors(detectors.custom)
    except CustomRuleInvalid as invalid:
        number = next(n for n, rule in enumerate(detectors.custom) if rule.id == invalid.rule_id)
        path = ("custom", number, "pattern")
    message = str(err).removeprefix(f"{DETECTORS_TARGET}: ")
    return Found(DETECTORS_TARGET, path, Severity.ERROR, "custom-rule", message)


# Policy


def _policy(policy: PolicyDocument, kinds: Sequence[str], topics: Collection[str] | None) -> Iterator[Found]:
    numbers = {pack.id: number for number, pack in enumerate(policy.packs)}
    ended_by = ""
    packs = sorted(policy.packs, key=lambda pack: pack.sequence)
    for pack in packs:
        path: Path = ("packs", numbers[pack.id])
        if ended_by:
            message = f"never reached: pack {ended_by} comes before and its default is BLOCK"
            yield Found(POLICY_TARGET, path, Severity.WARNING, "unreachable", message)
        elif pack.default is Action.BLOCK:
            ended_by = pack.id
        yield from _shadowed(pack, path)
        for number, rule in enumerate(pack.rules):
            yield from _rule(rule, (*path, "rules", number), kinds, topics)
    if packs[-1].default is Action.ALLOW and not ended_by:
        message = "what no rule names passes: this is the last pack, and its default is ALLOW"
        yield Found(POLICY_TARGET, ("packs", numbers[packs[-1].id], "default"), Severity.NOTE, "default-allow", message)


def _shadowed(pack: Pack, path: Path) -> Iterator[Found]:
    """Rules that can never decide, because an earlier one that ends the evaluation matches whenever they do."""
    numbers = {rule.id: number for number, rule in enumerate(pack.rules)}
    asked = sorted(pack.rules, key=lambda rule: rule.sequence)
    if pack.combining is CombiningAlgorithm.DENY_OVERRIDES:
        asked.sort(key=lambda rule: DENY_RANK[rule.action])
    for place, rule in enumerate(asked):
        for before in asked[:place]:
            if (before.when, before.action, before.route_to) == (rule.when, rule.action, rule.route_to):
                code, message = "duplicate", f"the same as rule {before.id}, which is asked before"
            elif before.action is not Action.REDACT and covers(before.when, rule.when):
                code, message = "unreachable", f"never reached: rule {before.id} matches before, whenever this would"
            else:
                continue
            yield Found(POLICY_TARGET, (*path, "rules", numbers[rule.id]), Severity.WARNING, code, message)
            break


def _rule(rule: Rule, path: Path, kinds: Sequence[str], topics: Collection[str] | None) -> Iterator[Found]:
    """``topics``: the kinds that detectors.json describes by examples; None if it is not at hand."""
    for number, kind in enumerate(rule.when.findings or []):
        where = (*path, "when", "findings", number)
        if kind.startswith("unscannable."):  # no detector reports it: the proxy finds it by itself
            if rule.action is Action.REDACT:
                message = "nothing can be redacted in what cannot be read: such a request is blocked"
                yield Found(POLICY_TARGET, where, Severity.WARNING, "redact-unscannable", message)
        elif kind.startswith(_TOPICS) and topics is not None and not any(kind_matches(kind, one) for one in topics):
            message = f"no topic of detectors.json is {kind}" + _did_you_mean(kind, topics)
            yield Found(POLICY_TARGET, where, Severity.ERROR, "unknown-topic", message)
        elif only_models_find(kind):
            message = f"only a model finds {kind}: an outpost whose model pack does not, or that has none, refuses this"
            yield Found(POLICY_TARGET, where, Severity.NOTE, "needs-model", message)
        elif not any(kind_matches(kind, known) for known in kinds):
            message = f"no detector reports {kind}" + _did_you_mean(kind, _with_domains(kinds))
            yield Found(POLICY_TARGET, where, Severity.WARNING, "unknown-kind", message)


def _unused(policy: PolicyDocument, keys: KeysDocument | None, routing: RoutingDocument | None) -> Iterator[Found]:
    groups = None if keys is None else {key.group for key in keys.keys}
    models = None if routing is None else _models(routing)
    for pack_number, pack in enumerate(policy.packs):
        for rule_number, rule in enumerate(pack.rules):
            path: Path = ("packs", pack_number, "rules", rule_number, "when")
            if groups is not None:
                yield from _strangers(
                    rule.when.groups, groups, (*path, "groups"), "unknown-group", "no key is of group"
                )
            if models is not None and "*" not in models:
                yield from _strangers(
                    rule.when.models, models, (*path, "models"), "unknown-model", "no provider serves"
                )


def _models(routing: RoutingDocument) -> set[str]:
    """Every name by which callers ask."""
    served = {model for provider in routing.providers for model in provider.models}
    return served | {model for route in routing.routes or [] for model in route.models}


def _strangers(named: Sequence[str] | None, known: Iterable[str], path: Path, code: str, says: str) -> Iterator[Found]:
    known = set(known)
    for number, name in enumerate(named or []):
        if name not in known:
            message = f"{says} {name}" + _did_you_mean(name, known)
            yield Found(POLICY_TARGET, (*path, number), Severity.WARNING, code, message)


# Detectors


def _detectors(document: DetectorsDocument, all_detectors: Sequence[object], kinds: Sequence[str]) -> Iterator[Found]:
    names = {str(getattr(detector, "name", "")) for detector in all_detectors}
    every_kind = {str(getattr(detector, "kind", "")) for detector in all_detectors}
    names |= {list_name(rule) for rule in document.lists}
    every_kind |= {rule.kind for rule in document.lists}
    for number, setting in enumerate(document.settings):
        path: Path = ("settings", number)
        if setting.detector is not None and setting.detector not in names:
            message = f"there is no detector {setting.detector}" + _did_you_mean(setting.detector, names)
            yield Found(DETECTORS_TARGET, (*path, "detector"), Severity.WARNING, "unknown-detector", message)
        elif setting.kind is not None and not (
            only_models_find(setting.kind) or any(kind_matches(setting.kind, kind) for kind in every_kind)
        ):
            message = f"no detector reports {setting.kind}" + _did_you_mean(setting.kind, _with_domains(every_kind))
            yield Found(DETECTORS_TARGET, (*path, "kind"), Severity.WARNING, "unknown-kind", message)
    yield from _costs(document)
    for problem in topic_problems(document.topics):
        path = ("topics", problem.topic, "examples", *(() if problem.example is None else (problem.example,)))
        severity = Severity.WARNING if problem.is_warning else Severity.NOTE
        yield Found(DETECTORS_TARGET, path, severity, problem.code, problem.message)
    for number, entry in enumerate(document.allow):
        path = ("allow", number)
        for at, kind in enumerate(entry.kinds):
            if not (only_models_find(kind) or any(kind_matches(kind, known) for known in kinds)):
                message = f"no detector reports {kind}" + _did_you_mean(kind, _with_domains(kinds))
                yield Found(DETECTORS_TARGET, (*path, "kinds", at), Severity.WARNING, "unknown-kind", message)
        if entry.values is not None and any(kind.startswith(_CONFIDENTIAL) for kind in entry.kinds):
            message = "these values are published in clear; unless they are examples, list their digests"
            yield Found(DETECTORS_TARGET, (*path, "values"), Severity.NOTE, "clear-values", message)


def _costs(document: DetectorsDocument) -> Iterator[Found]:
    varies = 0
    for number, rule in enumerate(document.custom):
        if rule.pattern is None:
            continue
        cost = estimate_cost(parse_pattern(rule.pattern, ignore_case=rule.ignore_case))
        varies += cost.variable_chars
        path: Path = ("custom", number, "pattern")
        budget = f"the patterns so far vary by {varies} of {MAX_VARIABLE_CHARS_TOGETHER} characters together"
        yield Found(DETECTORS_TARGET, path, Severity.NOTE, "cost", f"cost: {cost}; {budget}")
        for reason in cost.reasons:
            yield Found(DETECTORS_TARGET, path, Severity.WARNING, "costly", f"this pattern is dear: {reason}")


def _with_domains(kinds: Iterable[str]) -> set[str]:
    """The kinds, and the patterns that name all below a part of them."""
    kinds = set(kinds)
    return (
        kinds | {f"{kind.rpartition('.')[0]}.*" for kind in kinds} | {f"{kind.partition('.')[0]}.*" for kind in kinds}
    )


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
