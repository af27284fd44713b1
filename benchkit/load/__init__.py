"""When messages are due: pure, seeded arithmetic that never sleeps; one file per arrival process."""
