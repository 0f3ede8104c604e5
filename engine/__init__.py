"""The engine: history, analyzer, retriever, prompt and the model worker. It imports no other top folder."""
