"""Commands; the only place that prints, colours and exits."""
