"""The two ends of the HTTP transport: `server` and `intake` in a stage worker, `client` in the producer."""
