"""From the two ledgers to one table: what was predicted, and what then happened."""
