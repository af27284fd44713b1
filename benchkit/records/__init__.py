"""What a run leaves behind: sample columns, blocks, the environment; readable anywhere, years later."""
