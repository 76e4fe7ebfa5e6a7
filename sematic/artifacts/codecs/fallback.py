"""How a codec says that the next one should take a value. Loads nothing."""


class NotEncodable(Exception):  # noqa: N818  a signal between codecs that users never see
    """The codec cannot take this value; a more general one can."""
