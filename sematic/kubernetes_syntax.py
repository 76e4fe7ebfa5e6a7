"""How Kubernetes writes quantities, labels and names. Pure: text in, value or error out."""

import re
import zlib
from decimal import MAX_EMAX, MIN_EMIN, ROUND_UP, Context, Decimal

from sematic.errors import InvalidOptionError

# Quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?[0-9]{1,9}))?"
)
_FACTORS = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("num", start=-3)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}
_LARGEST = Decimal(2**63 - 1)
_FINEST = Decimal("1e-9")
# A context of our own: the caller's may have any precision. Without traps, an exponent beyond all
# measure becomes infinity, and that the largest quantity.
_CONTEXT = Context(prec=60, rounding=ROUND_UP, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


def parse_quantity(text: str) -> Decimal:
    """The number that a Kubernetes quantity stands for: ``500m`` is 0.5, ``2Gi`` 2147483648.

    As in Kubernetes, what is finer than 1e-9 is rounded up (away from zero) and what is larger
    than 2**63 - 1 counts as that.

    Raises:
        InvalidOptionError: ``text`` is no quantity.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise InvalidOptionError(
            f"{text!r} is not a Kubernetes quantity. Write a number, with a suffix if need be: "
            "n, u, m, k, M, G, T, P, E or Ki, Mi, Gi, Ti, Pi, Ei; for example '500m' or '2Gi'."
        )
    number = _CONTEXT.create_decimal(match["number"])
    if match["exponent"]:
        value = _CONTEXT.scaleb(number, int(match["exponent"]))
    else:
        value = _CONTEXT.multiply(number, _FACTORS.get(match["suffix"], Decimal(1)))
    capped = max(-_LARGEST, min(_LARGEST, value))
    return _CONTEXT.quantize(capped, _FINEST)


# Names and labels: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def is_qualified_name(text: str) -> bool:
    """Whether ``text`` is ``name`` or ``domain/name``, as keys of labels are."""
    domain, slash, name = text.rpartition("/")
    if slash and not (len(domain) <= 253 and _DOMAIN.fullmatch(domain)):
        return False
    return bool(_LABEL.fullmatch(name))


def check_label_key(field: str, key: str) -> None:
    """Raise InvalidOptionError unless ``key`` may be the key of a label, annotation or taint."""
    if not is_qualified_name(key):
        raise InvalidOptionError(
            f"{field} has an invalid key: {key!r}. Write at most 63 letters, digits, '-', '_' and "
            "'.', a letter or digit first and last, after a domain if need be: 'example.com/team'."
        )


def check_label_value(field: str, value: str) -> None:
    """Raise InvalidOptionError unless ``value`` may be the value of a label or taint."""
    if value and not _LABEL.fullmatch(value):
        raise InvalidOptionError(
            f"{field} has an invalid value: {value!r}. Write at most 63 letters, digits, '-', '_' "
            "and '.', a letter or digit first and last."
        )


# Volume names are RFC 1123 labels.

_LONGEST_VOLUME_NAME = 63


def build_volume_name(path: str) -> str:
    """A valid name for the volume that is mounted at ``path``, always the same for one path.

    Names that had to be cut, or lost more than slashes, end in a checksum that keeps apart paths
    that would look alike.
    """
    plain = "volume" + re.sub(r"[_/\s]", "-", path).rstrip("-")
    name = re.sub(r"[^a-z0-9-]", "-", plain.lower()).rstrip("-")
    if name == plain and len(name) <= _LONGEST_VOLUME_NAME:
        return name
    checksum = f"{zlib.crc32(path.encode('utf-8', 'backslashreplace')):08x}"
    return f"{name[: _LONGEST_VOLUME_NAME - 9].rstrip('-')}-{checksum}"


def check_volume_name(name: object) -> None:
    """Raise InvalidOptionError unless ``name`` may be the name of a volume."""
    if not isinstance(name, str):
        raise InvalidOptionError(f"Host path volume name must be a str. Got: {name!r}")
    if len(name) > _LONGEST_VOLUME_NAME:
        raise InvalidOptionError(
            f"Host path volume name must have at most {_LONGEST_VOLUME_NAME} characters. "
            f"Got: {name!r}"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name):
        raise InvalidOptionError(
            "Host path volume name must start with an alphanumeric character and only contain "
            f"alphanumeric characters and dashes. Got: {name!r}"
        )
    if name != name.lower() or name.endswith("-"):
        raise InvalidOptionError(
            "Host path volume name must be in lower case and end with an alphanumeric character. "
            f"Got: {name!r}"
        )
