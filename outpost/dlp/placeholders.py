"""Tells example keys from real ones: nobody is protected by a refusal because of ``sk-your-key-here``."""

import hashlib

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
    "xxxxx",
)
_RUNS = ("0123456789", "1234567890", "abcdefghij", "abcdef123456", "123456abcdef")
# A random key of 20 signs or more repeats itself so that fewer than 7 differ less than once in 10**9.
_MIN_DISTINCT = 7

# SHA-256 of keys printed in vendors' own public documentation; digests, so that this file sets off no scanner.
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
    }
)


def is_placeholder(secret: str) -> bool:
    """Whether ``secret`` is an example: a telling word, a run, too little variety, or printed by its vendor."""
    lowered = secret.lower()
    if any(word in lowered for word in _WORDS) or any(run in lowered for run in _RUNS):
        return True
    return len(set(secret)) < _MIN_DISTINCT or hashlib.sha256(secret.encode()).hexdigest() in _DOCUMENTED
