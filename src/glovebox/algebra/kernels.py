"""Loops that numpy cannot express, compiled by numba; each has a numpy form that passes the same tests."""
