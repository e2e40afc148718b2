import json

import pytest

from outpost.protocol.budgets import AtLimit, BudgetsDocument
from outpost.protocol.documents import DocumentError, parse_document

BUDGET = {"id": "b", "subject": {"group": "g"}, "monthly_tokens": 10, "at_limit": "BLOCK"}


def parse(*changes) -> BudgetsDocument:
    content = json.dumps({"schema_version": "1", "budgets": [BUDGET | change for change in changes]}).encode()
    return parse_document(BudgetsDocument, "budgets.json", content)


def test_a_budget():
    budget = parse({}).budgets[0]
    assert (budget.subject.group, budget.monthly_tokens, budget.at_limit) == ("g", 10, AtLimit.BLOCK)
    assert parse().budgets == []


REFUSED = {
    "nobody's": {"subject": {}},
    "of two": {"subject": {"group": "g", "key": "k"}},
    "without a limit": {"monthly_tokens": None},
    "with two limits": {"monthly_micro_usd": 10},
    "of nothing": {"monthly_tokens": 0},
    "of a fraction": {"monthly_tokens": 1.5},
    "beyond what JSON readers agree on": {"monthly_tokens": 2**53},
    "with an unknown action": {"at_limit": "IGNORE"},
    "of a week": {"weekly_tokens": 10},
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused_budgets(why):
    with pytest.raises(DocumentError):
        parse(REFUSED[why])


def test_ids_are_unique():
    with pytest.raises(DocumentError, match="duplicate budget id"):
        parse({}, {})
