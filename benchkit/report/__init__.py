"""Pure functions of the analysis: the terminal's tables today; they return what to show and print nothing."""
