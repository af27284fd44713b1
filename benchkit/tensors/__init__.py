"""Messages, their wire format and the codecs that fill it."""
