"""Of a person: date of birth, user name, addresses of profiles.

A date or a name means nothing alone, so the word before it is part of the match; the finding is the value only.
"""

# ruff: noqa: E501 - tables, one row a line

from collections.abc import Iterable

from outpost.dlp.detector import Detector, touches_word
from outpost.dlp.phrases import LINK, given

_MONTHS = (
    "jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f\xe9v(?:rier)?|mar(?:ch|zo|s)?|m\xe4rz|maart|apr(?:il|ile)?|avr(?:il)?|abril|may|mai|"
    "mayo|maggio|mei|june?|juni|juin|junio|giugno|july?|juli|juillet|julio|luglio|aug(?:ust|ustus)?|ao\xfbt|agosto|"
    "sep(?:t|tember|tembre|tiembre)?|sett(?:embre)?|oct(?:ober|obre|ubre)?|okt(?:ober)?|ott(?:obre)?|nov(?:ember|embre|iembre)?|"
    "dec(?:ember)?|dez(?:ember)?|d\xe9c(?:embre)?|dic(?:embre|iembre)?|enero|febrero|gennaio|febbraio|januari|februari|augustus"
)
_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"
_DATE = (
    rf"(?:{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}|{_DAY}[-/.]{_MONTH}[-/.](?:{_YEAR}|[0-9]{{2}})|{_MONTH}[-/.]{_DAY}[-/.](?:{_YEAR}|[0-9]{{2}})|"
    rf"{_DAY}(?:st|nd|rd|th|\.|er)?(?: of| de)? (?:{_MONTHS})\.?,?(?: de| del)? {_YEAR}|(?:{_MONTHS})\.? {_DAY}(?:st|nd|rd|th)?,? {_YEAR}|"
    rf"{_DAY}-(?:{_MONTHS})-(?:{_YEAR}|[0-9]{{2}})|(?:19|20)[0-9]{{2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))"
)
_BIRTH_WORDS = (
    r"(?:d\.?o\.?b\.?|date[_-]?of[_-]?birth|birth(?:[ _-]?(?:date|day))?|born|geburtsdatum|geburtstag|geboren|geb\.|n\xe9e?|naissance|"
    r"nacid[oa]|nacimiento|nascita|nat[oa]|geboortedatum|nascid[oa]|nascimento)"
)
_USER_WORDS = r"(?:user[_-]?name|user[_-]?id|login|benutzername|gebruikersnaam|screen_name)"
_USER_NAME = r"(?:\"? ?(?:is|[:=]) ?[\"']?([a-z][0-9a-z._-]{2,31})\b)?"
_NO_PROFILES = frozenset(
    {"intent", "share", "sharer", "sharer.php", "home", "search", "hashtag", "login", "i", "p", "explore", "plugins", "about",
     "dialog", "tr", "groups", "events", "pages", "watch", "company", "privacy", "help", "tos", "s", "joinchat", "username",
     "user", "example", "yourusername", "your-username"}
)  # fmt: skip


_PATH_SIGNS = frozenset("/?=$*^|&#%{")


def personal(name: str) -> bool:
    """Whether letters and digits mix as in a person's user name; ``user1``, ``v2`` and words are none."""
    letters = "".join(filter(str.isalpha, name)).lower()
    return any(map(str.isdigit, name)) and len(letters) > 1 and letters not in (
        "user", "username", "test", "admin", "foo", "bar", "name", "string", "login", "utf", "varchar", "id",
    )  # fmt: skip


def find_profile(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match, if its path is a profile: not one of the site's own pages, and with nothing below it."""
    name = text[start:end].rstrip("/").rpartition("/")[2].lstrip("@").lower()
    after = text[end : end + 1]
    below = touches_word(after) or after in _PATH_SIGNS
    if not below and name not in _NO_PROFILES and not name.endswith((".php", ".html", ".js")):
        yield start, end


DETECTORS = (
    Detector(
        name="date-of-birth",
        kind="pii.dob",
        pattern=rf"(?i)\b{_BIRTH_WORDS}(?:{LINK}({_DATE})\b)?",
        trigger=rf"(?i)\b{_BIRTH_WORDS}",
        group=1,
        validate=given,
        base_score=0.9,
        open_ended_chars=48,
    ),
    Detector(
        name="username",
        kind="pii.username",
        pattern=rf"(?i)\b(?:(?:{_USER_WORDS}|user (?:name|id)){_USER_NAME}|user\b)",
        trigger=rf"(?i)\b(?:{_USER_WORDS}|user\b)",
        group=1,
        validate=personal,
        base_score=0.6,
        open_ended_chars=48,
    ),
    Detector(
        name="profile-url",
        kind="pii.url_personal",
        pattern=(
            r"(?i)\b(?:https?://)?(?:www\.|m\.|[a-z]{2}\.)?(?:linkedin\.com/in/|facebook\.com/|instagram\.com/|twitter\.com/|x\.com/|"
            r"tiktok\.com/@|youtube\.com/@|medium\.com/@|t\.me/|xing\.com/profile/|threads\.net/@|vk\.com/|orcid\.org/)[0-9a-z_%.-]{2,63}[0-9a-z_]/?"
        ),
        trigger=r"(?i)(?:\.com|\.me|\.net|\.org)/[0-9a-z@]",
        find=find_profile,
        base_score=0.7,
        glue="-./",
    ),
)
