"""Rules, one file each: what to look at, and when it is worth a notice."""
