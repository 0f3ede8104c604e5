"""Training: data stores, the starter's pretraining, adapters, evaluation and export."""
