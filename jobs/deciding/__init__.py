"""What the step decide alone needs: the rules, and what they say of what monitor saw."""
