"""The worker: loading, the rank-masked stack, KV cache, scheduling and sampling."""
