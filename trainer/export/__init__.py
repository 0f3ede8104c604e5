"""`understudy export`: a trained stack in the forms that other engines read, each checked by its logits."""
