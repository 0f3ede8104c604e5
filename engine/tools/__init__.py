"""Tools that the persona may call while it answers: their format, checks, loop, and the weather."""
