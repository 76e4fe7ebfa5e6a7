"""How a codec says that the next one should take a value. Loads nothing."""


class NotEncodable(Exception):
    """The codec cannot take this value; a more general one can."""
