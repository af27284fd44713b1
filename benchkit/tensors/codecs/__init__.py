"""How tensors become bytes: one file per codec."""
