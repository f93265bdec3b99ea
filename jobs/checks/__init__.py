"""What validate looks at: the header, the rows, repeats, the table as a whole, its past, and a second opinion."""
