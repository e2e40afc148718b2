"""Ordinary work prompts with the words that detectors look for and nothing that must not leave.

Written without looking at the detectors. Filled from lists, so several prompts share a sentence; no two are the same.
"""

import random

_TOPICS = (
    "password resets",
    "API keys",
    "access tokens",
    "card payments",
    "bank transfers",
    "customer accounts",
    "patient records",
    "driving licences",
    "passport checks",
    "social security benefits",
    "tax returns",
    "phone support",
    "email delivery",
    "IP allow-lists",
    "session cookies",
    "credit limits",
    "insurance claims",
    "encryption keys",
    "secret rotation",
    "SSO login",
    "VAT rules",
    "invoice numbers",
    "medical reports",
    "street maintenance",
    "birthday vouchers",
    "vehicle leasing",
    "payroll",
)
_TEAMS = (
    "support",
    "finance",
    "the platform team",
    "HR",
    "legal",
    "sales",
    "our auditors",
    "the board",
    "new hires",
    "operations",
)
_FORMS = (
    "an email",
    "a one-page memo",
    "five bullet points",
    "a checklist",
    "a table",
    "an FAQ",
    "a slide outline",
    "a runbook entry",
)
_TONES = ("friendly", "formal", "neutral", "short and direct", "plain", "encouraging")
_PLACES = ("Lisbon", "Rotterdam", "Kraków", "Leeds", "Lyon", "Graz", "Tampere", "Bologna", "Aarhus", "Porto")
_TEMPLATES = (
    "Write {form} for {team} about {topic}. Keep it {tone}, at most {n} words.",
    "Summarise the discussion about {topic} in {m} sentences for {team}.",
    "What is the difference between {topic} and {topic2}? Explain to {team}.",
    "We had {n} tickets about {topic} in week {w}, up from {n2} in week {w2}. What could be the reason?",
    "Draft a policy: how long may {team} keep data on {topic}? We think {w} months are enough.",
    "Make {form} of what to check before we change {topic} on {w} March.",
    "The error is 'invalid token at line {n}, column {w}'. It began after we touched {topic}. Where do I look?",
    "Compare {m} vendors for {topic}: price per user, contract length, support hours. Budget {n2},000 EUR.",
    "Translate to German: 'Your password must have at least {w} characters, and not your name.' Context: {topic}.",
    "Our SLA says {w} hours for {topic}, ISO 27001 control A.{m}.{w2} asks for evidence. Write {form}.",
    "How do I store a secret in a Kubernetes cluster so that {team} can rotate it every {w} days?",
    "Explain to {team} why a card number needs a checksum and how the Luhn algorithm works, in {m} steps.",
    "Refactor: the function handles {topic} and {topic2}, has {n} lines and {w} parameters. Suggest a split.",
    "In Excel, column A holds {topic}, column B amounts. Formula for the sum of rows {w} to {n}?",
    "Agenda for the {place} workshop on {topic}: {m} sessions of {w} minutes each, please.",
    "Flight to {place} on 1{m} June, back on 2{m} June, hotel under {n} EUR a night: how do I file this expense claim?",
    "Is it allowed to ask applicants in {place} for a passport or driver's license number? {team} wants to know.",
    "Schreibe {m} Stichpunkte zum Thema {topic} für {team}, höchstens {n} Wörter.",
    "Rédige un résumé de {n} mots sur {topic} pour {team}, ton {tone}.",
    "Escribe {form} sobre {topic} para {team}; máximo {n} palabras.",
    "Scrivi una breve nota su {topic} per {team}, massimo {n} parole.",
    "Schrijf een korte uitleg over {topic} voor {team} in {m} zinnen.",
    "The KPI for {topic} fell from {n}.{m} % to {w}.{w2} %. Three hypotheses and how to test each?",
    "SELECT count(*) FROM events WHERE topic = '{topic}' AND status = {n} is slow on {n2} million rows. Which index?",
    "Generate {w} test names for a suite about {topic}; snake_case, no numbers.",
    "Review this commit message: 'Fix #{n2}: do not log the token in {topic}'. Better wording?",
    "Our {place} office moves to floor {m}, rooms {n} to {n2}. Write {form} for {team}.",
    "RFC {n2} section {m}.{w}: does it say anything about {topic}?",
    "Set the timeout for {topic} to {n} ms or {w} s? p99 is {n2} ms, retries {m}.",
    "Port {n2} is open on the test machine and {team} asks why. Explain in a {tone} tone, mention {topic}.",
    "Account reconciliation: {n} entries match, {w} do not. What would you tell {team}?",
    "The patient leaflet says {w} mg twice a day for {m} weeks. Rewrite at a reading age of 12; context {topic}.",
    "Which fields of {topic} are personal data under the GDPR, article {m}? Answer as {form}.",
    "Name {m} risks of sending {topic} to an external model, and one control for each.",
    "Quarterly report: {topic} grew by {w} %, {topic2} fell by {m} %. Write {form} for {team}, {tone}.",
    "Python: parse 'key=value' pairs about {topic} from a file of {n} lines, skip comments, keep order.",
    "Interview questions for an engineer who will own {topic}; {m} easy, {m} hard.",
    "Please shorten to {n} characters: 'Your account was locked because a wrong PIN was entered {m} times.'",
    "The contract has {n} pages, clause {w}.{m} covers {topic}. What should {team} ask the lawyer?",
    "Plan a phishing training for {team}: {m} lessons of {w} minutes, examples about {topic}.",
)


def prompts(rng: random.Random, count: int) -> list[str]:
    """``count`` different prompts."""
    made: dict[str, None] = {}
    while len(made) < count:
        topic, other = rng.sample(_TOPICS, 2)
        made[
            rng.choice(_TEMPLATES).format(
                topic=topic,
                topic2=other,
                team=rng.choice(_TEAMS),
                form=rng.choice(_FORMS),
                tone=rng.choice(_TONES),
                place=rng.choice(_PLACES),
                n=rng.randint(20, 600),
                n2=rng.randint(700, 9000),
                m=rng.randint(2, 9),
                w=rng.randint(10, 52),
                w2=rng.randint(10, 52),
            )
        ] = None
    return list(made)
