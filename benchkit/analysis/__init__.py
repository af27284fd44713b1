"""Pure functions of records: phases, percentiles, intervals, validity, verdicts; no measuring, no printing."""
