"""Files of timestamps -> nanoseconds since the first."""
