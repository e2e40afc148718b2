"""The demonstration: a stand-in provider, and a story told by real processes."""
