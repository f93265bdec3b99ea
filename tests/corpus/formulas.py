"""Texts that a spreadsheet would take for formulas, and how a saved table writes them."""

from __future__ import annotations

FORMULAS = [
    ("=1+1", "'=1+1"),
    ("-3", "'-3"),
    ("a;=1+1", "a;'=1+1"),
    ("a;b;@x", "a;b;'@x"),
    ("a\t=1+1", "a\t'=1+1"),
    ("=1;+2", "'=1;'+2"),
    ('a;"=1+1', "a;\"'=1+1"),
    ("a; =1+1", "a; '=1+1"),
    ("\uff1d1+1", "'\uff1d1+1"),
    ("a;b", "a;b"),
    ("1-2", "1-2"),
]
