"""One file per step, named by its number; a step never changes after a release."""
