"""Sentences with slots, by genre. Each line is one template (``training/template.py``) and one group of the split."""
