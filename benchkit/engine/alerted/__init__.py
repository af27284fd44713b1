"""What rules of alerts are shown of a run: its parties' heartbeats and queues live, its blocks' outcomes after each."""
