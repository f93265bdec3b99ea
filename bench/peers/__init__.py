"""What the service is measured against: each a server of its own that answers with the same model."""
