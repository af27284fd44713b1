"""What happens to a message: one file per stage."""
