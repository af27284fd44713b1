"""One chart, one file: what is drawn is plain data that tests can look at, the figure is drawn from it alone."""
