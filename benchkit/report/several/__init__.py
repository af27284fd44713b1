"""Reports over several runs: side by side on one page, and the index of a folder of runs."""
