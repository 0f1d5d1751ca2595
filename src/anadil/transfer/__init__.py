"""Moving a model onto a new vocabulary: which rows are copied and how the new ones are made."""
