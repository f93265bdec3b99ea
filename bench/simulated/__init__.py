"""Worlds whose truth is known, for `python -m bench.simulations`: what the statistics promise, held against them."""
