"""Coverage-guided fuzzing of tier 1 (`make fuzz`)."""
