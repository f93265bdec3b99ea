"""The report that people read: one page of HTML with its plots inside."""
