"""What the watch looks at: drift, performance and what calls do to both; and the pages that say so."""
