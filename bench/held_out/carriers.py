"""Ways in which people put a value into a prompt: what is written around it, in many forms and languages."""

import random

# {name} is what the value is called, {value} the value. Sentences people write, forms, records, logs and code.
CHAT = (
    "Hi, could you check this for me? My {name} is {value} and the form keeps rejecting it.",
    "Please draft a reply to the customer. {name}: {value}. Keep it short and friendly.",
    "Translate to Spanish: 'the {name} {value} was registered on Monday'.",
    "I pasted the wrong {name} ({value}) in the ticket, how do I ask support to remove it?",
    "can u tell me if {name} {value} looks valid??",
    "Summarise: the applicant gave {name} {value}, moved in May and wants to change the tariff.",
    "{name} = {value}\n\nWhy does the import say 'invalid row'?",
    "For the record, {name} no longer valid, new {name}: {value}.",
    "Schreibe bitte eine höfliche E-Mail: {name} {value} stimmt nicht mit unseren Unterlagen überein.",
    "Bonjour, voici mes informations : {name} : {value}. Merci de rédiger la lettre.",
    "Hola, mi {name} es {value}, ¿puedes rellenar el formulario?",
    "Kun je dit nakijken? {name}: {value}",
    "Vänligen kontrollera {name} {value} och skriv ett svar.",
    "O meu {name} é {value}; escreve um pedido formal.",
    "Proszę o sprawdzenie: {name} {value}.",
    "请帮我检查一下:{name}:{value}",
)
RECORDS = (
    "Name: J. Moreau\n{name}: {value}\nStatus: open\n\nWrite a summary of this case.",
    "| field | content |\n|---|---|\n| {name} | {value} |\n| city | Ghent |\n",
    "- customer since 2019\n- {name}: {value}\n- prefers letters\n\nTurn these notes into a paragraph.",
    "id;{name};status\n17;{value};active\n\nConvert the CSV to a table.",
    "<record><label>{name}</label><content>{value}</content></record>",
    "{name}\t{value}\nregion\tnorth\n",
    "[2025-03-04 08:12:55] INFO form.submit {name}={value} result=ok",
    "Ticket #4821\n\n> {name}: {value}\n> please correct this\n\nAnswer the ticket.",
)
CODE = (
    'record = {{"{name}": "{value}", "active": True}}\nprint(record)',
    "INSERT INTO people (label, content) VALUES ('{name}', '{value}');",
    '# test data\n{name}: "{value}"\nretries: 3\n',
    "const row = ['{name}', '{value}'];\nvalidate(row);",
    'curl -X POST https://api.fennwerk.de/v1/check -d "{name}={value}"',
)
SECRETS = (
    "My deploy fails, here is the config:\n\nTOKEN={value}\nREGION=eu-west-1\n\nwhat is wrong?",
    'client = Client(api_key="{value}")\nclient.ping()  # raises 401, why?',
    "curl -H 'Authorization: Bearer {value}' https://api.harborline.com/v2/me",
    "Is this still a valid one: {value} ? I found it in an old wiki page.",
    "services:\n  app:\n    environment:\n      SECRET: {value}\n",
    '{{"auth": {{"token": "{value}"}}, "debug": false}}',
    "export CREDENTIAL='{value}'\n./run.sh",
    "2025-06-11T09:30:12Z DEBUG http header=x-auth value={value} status=403",
    "Bitte rotiere diesen Schlüssel: {value}",
    "El token {value} dejó de funcionar ayer.",
)
NAMED_SECRETS = (
    "{name}={value}",
    "{name}: {value}",
    '{name} = "{value}"',
    "The {name} for staging is {value}, please put it into the runbook.",
    "Hi team,\n\n{name}: {value}\n\nregards",
    "export {name}='{value}'",
)


def carry(rng: random.Random, label: str, name: str, value: str) -> str:
    """A text with the value in it, as it was given. A value of several lines stands on lines of its own."""
    if "\n" in value:
        return f"Here is the file, what format is it?\n\n{value}\n\nThanks"
    if label.startswith("secret named:"):
        carrier = rng.choice(NAMED_SECRETS)
    elif label.startswith("secret:"):
        carrier = rng.choice(SECRETS)
    else:
        carrier = rng.choice(rng.choice((CHAT, CHAT, RECORDS, CODE)))
    return carrier.format(name=name, value=value)
