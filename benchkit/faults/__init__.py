"""Faults that a scenario may ask for: what they do to a cell under load, and how they show that they did it."""
