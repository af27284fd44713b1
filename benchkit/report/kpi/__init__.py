"""The team's figures as people and other programs read them: tables, a chart, CSV."""
