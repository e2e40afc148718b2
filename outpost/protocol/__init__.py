"""What crosses a boundary: wire messages, bundle documents, findings, decisions, routes and error codes.

Both sides import these definitions and neither redefines them. Nothing here does I/O or reads a clock.
Messages ignore unknown fields so that a newer peer may add one; documents of a bundle refuse them
(docs/adr/0004): a rule that cannot be read must not be skipped.
"""
