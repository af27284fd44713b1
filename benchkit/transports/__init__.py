"""Ways to move a message from the producer to a stage worker and its reply back: one file each."""
