"""From tomorrow's appointments to the list of whom to call."""
