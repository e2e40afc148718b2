"""Tells example keys from real ones: nobody is protected by a refusal because of ``sk-your-key-here``."""

import hashlib

import re2

# A vendor's random part holds one of these by chance less than once in a million keys (five letters, 62 signs).
_WORDS = (
    "example",
    "placeholder",
    "your_",
    "your-",
    "yourkey",
    "yourtoken",
    "redacted",
    "dummy",
    "changeme",
    "change_me",
    "change-me",
    "replace_me",
    "replaceme",
    "insert_",
    "insert-",
    "_here",
    "-here",
    "sample",
    "notreal",
    "not-real",
    "not_real",
    "fakekey",
    "fake_",
    "fake-",
    "deadbeef",
    "foobar",
    "xxxxx",
    "*****",
    ".....",
)
# A string of which so much goes on as counted or spelt (12345, abcde, a1b2c3) was typed; of a random one it is a sixth.
_MAX_COUNTED = 0.8
# With joints (abcd1234efgh5678) it is less; of ten thousand random strings of 16 signs one has so much.
_MUCH_COUNTED = 0.6
_LONG = 16  # nobody counts this far for a password, but keys are made up that way and then used
# Zero counts as ten; one and "a" follow it, and one follows "f" and "z".
_ROUND = {
    (ord("9") + 1, ord("1")),
    (ord("9") + 1, ord("a")),
    (ord("f"), ord("1")),
    (ord("z"), ord("1")),
    (ord("f"), ord("9") + 1),
}
# A random key of 20 signs or more repeats itself so that fewer than 7 differ less than once in 10**9.
_MIN_DISTINCT = 7
# Of values that are secret only by their name, passwords among them: nothing but a placeholder reads like this.
_SHORT = re2.compile(
    r"(?i)^(?:x+|\*+|\.+|-+|_+|#+|\?+|[<\[{(].*[>\]})]|(?:my|your|some|the|an?|enter|insert|put|"
    r"use)[ _.-]?.*(?:password|passwd|"
    r"pass|pwd|token|secret|key|here)|(?:password|secret|token|key|api[_-]?key)s?[ _-]?(?:here|goes[ _-]here|"
    r"value|string|name)?|"
    r"change[ _-]?(?:me|this|it).*|(?:fake|mock|sample|dummy|example|redacted|masked|hidden|placeholder|todo|"
    r"fixme|tbd|"
    r"none|null|undefined|n/?a|empty|string|test|testing|unknown)|foo(?:bar)?(?:baz)?|abc(?:123|def)?)$"
)

_ALPHABET = re2.compile("^abcdefghijklmnopqrstuvwxyz[0-9]*$")

# SHA-256 of keys printed in vendors' and standards' own public texts; digests, so that this file sets off no scanner.
_DOCUMENTED = frozenset(
    {
        "2cafc0970149a84f3b9e62eaf169f36f59907a3b3e31f7b82e68c69cd27f7326",  # Stripe API reference
        "f2d6ca16515033e5dce14eba840b979d27b5cbae24bb3e5bf484339667f86397",  # Stripe API reference, older
        "3543c50b0cb9cea8e55eb1f529b79f043cb250d485fde7b66cabbb5183add7da",  # GitHub REST documentation
        "bc3ae723f57c6b9e3fd80b699fcc420f6074b0b1718039669d22631d508ac0a7",  # GitHub REST documentation
        "82e74299544e00738f9c0acb69b1eb348b3e20ffcfabcb34779bd37590fead6c",  # GitHub REST documentation
        "797c0ce414586cc8eb6929afe947c720e3e4d351dd070a6fe39f630beaab3054",  # GitHub REST documentation
        "0cecafe4ec4766065c64799e2d0fc466059f86526e0a45b883de0fb856435236",  # GitHub REST documentation
        "7f75367e7881255134e1375e723d1dea8ad5f6a4fdb79d938df1f1754a830606",  # jwt.io
        "c794fa6d20c64efb9adf980ae93af472a1679775862d421ffe55d4a57fad5b3e",  # jwt.io, newer
        "8d4ef6536dc8895f256c1e0d95dcd19763036732d64a095e44a90ed444267ad3",  # RFC 7515 A.1
        "0011cc25eb4320717494d2703e8cba85743e71b500283c21c8b88147992f9059",  # Azure storage emulator
        "aa6547439583c3a275d4542a0df6c1ad6a863971be9f2a2220f027cc02aef615",  # Azure Cosmos emulator
        "cf4d418ed3de92d71f767db5391d5a2dacd40e1ce49e75d1137e2ecf4982d844",  # RFC 7617 2
        "eab7452d7d0fd9d1be1d6e638b6a868a670abaf0c1fe0202168ff5b7794f1443",  # RFC 7617, as often quoted
        "6c96130f130ab0d6d158397e24d2bcc1c9a5e73ae081f6e983f1c7b545d24a4c",  # RFC 6749
        "00cf4c781dc37003f7c7dd7d4c9a6ef1e0f4c62d9a291aa8bc398774e3fefd32",  # RFC 6749
        "ca7459e2b26776de081b9a07e40227fd6cff232a1e3233ff6b6aa6d036ca9981",  # RFC 6749
        "e9974c507d2a802143f614c878fcbb622a3800e05e6e0d329fee2c5b6b243329",  # RFC 6749
        "53f5da0aaa93d64cd5772c554cbf940f0539e689dddbeb8f923eec3f72c02ea9",  # RFC 6749
        "b8e148545b13c78bc74da2f1a7275dd71e56ddece129d7d2f7b3ecc06f7994da",  # RFC 6750
        "3002888f967a7086ab52fcc9e8bbc3e46724c349828ce6c8625b850a7036e876",  # Kubernetes documentation
    }
)


def is_placeholder(secret: str, *, short: bool = False, formal: bool = False) -> bool:
    """Whether ``secret`` is an example: a telling word, a mask, too little variety, or printed by its vendor.

    ``short``: judge a value that is no key of a vendor's, such as a password; its variety then says nothing, but what
    is counted out on the keyboard is an example, unless (``formal``) it stands where only a password can.
    """
    lowered = secret.lower()
    if any(word in lowered for word in _WORDS) or hashlib.sha256(secret.encode()).hexdigest() in _DOCUMENTED:
        return True
    if (len(secret) >= _MIN_DISTINCT and len(set(secret)) == 1) or _ALPHABET.match(lowered) is not None:
        return True
    if short:
        return _SHORT.match(lowered) is not None or (
            not formal and len(secret) < _LONG and counted(lowered) > _MAX_COUNTED
        )
    return len(set(secret)) < _MIN_DISTINCT


def looks_typed(secret: str) -> bool:
    """Whether it was counted out on the keyboard: made up, but made up keys are used, too (``Detector.doubts``)."""
    return counted(secret.lower()) > _MUCH_COUNTED


def counted(text: str) -> float:
    """The share of signs that follow, in the order of ASCII, the sign before them or the one before that."""
    codes = [ord(sign) + 10 if sign == "0" else ord(sign) for sign in text if sign.isalnum()]
    pairs = sum(
        1
        for at in range(1, len(codes))
        if codes[at] - codes[at - 1] == 1
        or (codes[at - 1], codes[at]) in _ROUND
        or (at > 1 and (codes[at] - codes[at - 2] == 1 or (codes[at - 2], codes[at]) in _ROUND))
    )
    return pairs / (len(codes) - 1) if len(codes) > 1 else 0.0
