"""The HTTP service: answers from the registry's model, with the patients' histories, and on the record."""
