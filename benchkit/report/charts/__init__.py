"""One chart, one file: what is drawn is plain data, and the figure is drawn from it alone."""
