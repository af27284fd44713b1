"""Inside the `unix` transport."""
