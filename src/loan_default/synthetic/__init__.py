"""Generated LendingClub-shaped loans whose true default probability is known."""
