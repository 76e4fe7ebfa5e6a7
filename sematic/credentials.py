"""Passwords and keys in URLs, hidden wherever a URL is shown or recorded."""

import re

MASK = "**********"
"""What stands where something is not to be seen."""

# Of parameters and of arguments of a command line: password=, sslpassword=, access_token=, ...
_SECRET = re.compile(
    r"([?&;][^=&;\s]*(?:password|passwd|pwd|secret|token|key|signature|credential)[^=&;\s]*=)"
    r"[^&;#\s]*",
    re.IGNORECASE,
)
_URL = re.compile(r"[\w.+-]+:/?/\S+")
# Where the user's name is all that there is, it is a token.
_TOKEN_SCHEMES = ("http", "https")


def hide_credentials(url: str) -> str:
    """A URL, also a misspelt one, with the mask in place of its password, keys and tokens."""
    return _SECRET.sub(rf"\g<1>{MASK}", _hide_user_info(url))


def hide_all_credentials(text: str) -> str:
    """A text with the mask in place of the password, keys and tokens of every URL in it."""
    return _URL.sub(lambda found: hide_credentials(found[0]), text)


def _hide_user_info(url: str) -> str:
    before, at, host = url.rpartition("@")
    scheme, separator, user_info = before.partition("://")
    if not separator:
        scheme, user_info = "", before
    user, colon, _ = user_info.partition(":")
    if not at or (separator and "/" in user):  # an @ of the path
        return url
    if scheme.lower() in _TOKEN_SCHEMES:
        return f"{scheme}{separator}{MASK}@{host}"
    return f"{scheme}{separator}{user}:{MASK}@{host}" if colon else url
