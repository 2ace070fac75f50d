"""What the scripts do: each script's job from its inputs to its JSON result."""
