"""The leakage checks: questions that a model with knowledge of the future cannot answer well."""
