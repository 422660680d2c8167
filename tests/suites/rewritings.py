"""Practitioners' questions in words that mean the same, where their own cannot be asked."""

INTEGER_DIVISION = ("H1", "H4", "F4")
"""Questions whose `/` of integers is meant to be one."""

REWRITTEN: dict[str, str] = {}
