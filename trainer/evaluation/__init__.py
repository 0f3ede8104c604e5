"""Measuring a model, its adapters and its index with cases: `understudy eval`."""
