"""How plain values name their classes, and how readers find them again.

A class is named ``module:qualified.name``, with the name of the main module that is the same in
every process. Other processes can import most classes by that name. Those of ``__main__``, of
notebook cells and of function bodies they cannot: these have a *definition*, the pickled class,
which travels beside the value and is used only where the name leads nowhere. Values that have
definitions have a codec name of their own: without any, nothing is ever unpickled here.
"""

import base64
import binascii
import functools
import hashlib
import pickle
import sys
from collections.abc import Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

from sematic.artifacts.codecs.compiled_code import THIS_PYTHON, check_python
from sematic.code_imports import import_code
from sematic.errors import ArtifactError, CorruptArtifactError, ForeignCodeError
from sematic.types.names import MAIN_NAMES, canonical_module, find_qualified, main_module_name


def class_name(cls: type) -> str:
    """The name of a class in the record."""
    return f"{canonical_module(cls.__module__)}:{cls.__qualname__}"


def is_of_main(cls: type) -> bool:
    """Whether a class is one of the script's, which every process that runs it has by name."""
    return cls.__module__ in MAIN_NAMES and "<locals>" not in cls.__qualname__


def is_importable(cls: type) -> bool:
    """Whether another process finds this very class by its name."""
    if cls.__module__ in MAIN_NAMES or _travels_by_value(cls.__module__):
        return False
    return find_qualified(sys.modules.get(cls.__module__), cls.__qualname__) is cls


def _travels_by_value(module: str) -> bool:
    """Whether the user told cloudpickle that workers do not have the module."""
    cloudpickle = sys.modules.get("cloudpickle")
    if cloudpickle is None:
        return False
    registered = cloudpickle.list_registry_pickle_by_value()
    return any(module == name or module.startswith(f"{name}.") for name in registered)


def build_definition(cls: type) -> str | None:
    """The class itself as text, for this version of Python; ``None`` if it cannot be pickled.

    Values of such a class can still be read wherever its name leads to it.
    """
    if cls not in _definitions:
        _definitions[cls] = _define(cls)
    return _definitions[cls]


# Pickled once per class: cloudpickle takes a fraction of a millisecond for it.
_definitions: WeakKeyDictionary[type, str | None] = WeakKeyDictionary()


def _define(cls: type) -> str | None:
    import cloudpickle

    try:
        content = cloudpickle.dumps(cls)
        ids = {other: _stable_id(other) for other in _tracker_ids(content)}
    except Exception:  # noqa: BLE001  methods may refer to locks, connections, anything
        return None
    return f"{THIS_PYTHON}:{base64.b64encode(_replace_ids(content, ids)).decode()}"


def check_definition(definition: str) -> None:
    """Look whether a definition is for this version of Python.

    Raises:
        ForeignCodeError: it is for another one.
    """
    check_python(definition.rpartition(":")[0] or None)  # older ones do not name theirs


# cloudpickle gives a class that it pickles a random number, by which a process that reads it twice
# knows that it is one class. The classes of a script get a number that is made of their content:
# what is stored is then the same in each of its processes, and so is its hash. cloudpickle has no
# public way to do so; without it, all that is lost is that pickles have stable ids.


def _stable_id(cls: type) -> bytes:
    import cloudpickle

    content = cloudpickle.dumps(cls)
    blank = dict.fromkeys(_tracker_ids(content), bytes(32))
    return hashlib.sha256(_replace_ids(content, blank)).hexdigest()[:32].encode()


def _replace_ids(content: bytes, ids: Mapping[type, bytes]) -> bytes:
    known = _tracker_ids(content)
    for cls, id_ in ids.items():
        content = content.replace(known[cls], id_)
    return content


def _tracker_ids(content: bytes) -> dict[type, bytes]:
    """The classes of the script in a pickle, and the numbers that they have in this process."""
    tracked = _tracker("_DYNAMIC_CLASS_TRACKER_BY_CLASS").items()
    ids = {cls: id_.encode() for cls, id_ in list(tracked) if is_of_main(cls)}
    return {cls: id_ for cls, id_ in ids.items() if len(id_) == 32 and id_ in content}


def _tracker(name: str) -> Mapping[Any, Any]:
    return getattr(sys.modules.get("cloudpickle.cloudpickle"), name, {})


def resolve_class(name: str, definitions: Mapping[str, str]) -> type:
    """The class of a name, in this process. Pickles call it by its name: it stays where it is.

    Raises:
        ForeignCodeError: there is no such class here, and its definition is for another Python.
        ArtifactError: there is no such class here.
    """
    module, _, qualname = name.partition(":")
    found = _find_loaded(module, qualname, name in definitions)
    if found is None and name in definitions:
        found = _load_definition(definitions[name])
    if found is None:
        try:
            found = _import_class(module, qualname)
        except ArtifactError:
            check_definition(definitions.get(name, ""))
            raise
    return found


def _find_loaded(module: str, qualname: str, defined: bool) -> type | None:
    if module == main_module_name():
        for main in MAIN_NAMES:
            found = find_qualified(sys.modules.get(main), qualname)
            if isinstance(found, type):
                return found
    found = find_qualified(sys.modules.get(module), qualname)
    if isinstance(found, type):
        return found
    return _find_shipped(module, qualname) if defined else None


def _find_shipped(module: str, qualname: str) -> type | None:
    """A class of this name that came to this process with a function's code.

    The value must be of the very class that the function refers to, also where an earlier process
    stored it. cloudpickle knows the classes that it rebuilt, but has no public way to ask.
    """
    found = [
        cls
        for cls in list(_tracker("_DYNAMIC_CLASS_TRACKER_BY_ID").values())
        if cls.__qualname__ == qualname and canonical_module(cls.__module__) == module
    ]
    # Classes made by calling one function twice share a name: then only the definition tells.
    if not found or ("<locals>" in qualname and len(found) > 1):
        return None
    return cast(type, found[-1])


@functools.lru_cache(maxsize=256)
def _load_definition(text: str) -> type | None:
    try:
        check_definition(text)
        found = pickle.loads(base64.b64decode(text.rpartition(":")[2], validate=True))
    except (binascii.Error, pickle.UnpicklingError, EOFError) as error:
        raise CorruptArtifactError(f"The definition of a class is damaged: {error}") from error
    except (ImportError, AttributeError, ForeignCodeError):
        return None  # it needs what is not here; its name may still lead to it
    return found if isinstance(found, type) else None


def _import_class(module: str, qualname: str) -> type:
    try:
        found = find_qualified(import_code(module), qualname)
    except ImportError as error:
        raise ArtifactError(
            f"This value is made of {module}.{qualname}, and this process cannot import "
            f"{module!r}: {error}. Install it here, or run from the folder that has it."
        ) from error
    if not isinstance(found, type):
        raise ArtifactError(
            f"This value is made of {module}.{qualname}, and {module!r} has no such class any "
            "more. Bring it back under that name, or compute the value again."
        )
    return found
