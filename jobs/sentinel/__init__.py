"""The leakage sentinel: three questions that a model with knowledge of the future cannot answer well."""
