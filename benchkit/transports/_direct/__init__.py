"""What transports without a broker share: a producer that has a link to each worker."""
