"""Pure functions of records: phases, percentiles, intervals, validity, verdicts; nothing is printed."""
