"""Generators of skill data: each module makes cases of one skill from random entities.

A generator is a function `generate(rng, held_out=False) -> Case`. With `held_out` it uses only
names, templates and question kinds that training never sees.
"""
