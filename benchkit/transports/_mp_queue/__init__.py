"""Inside the `mp-queue` transport."""
