"""How a challenger is held against the champion: both on the same rows, in pairs."""
