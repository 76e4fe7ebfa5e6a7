"""What functions without a return annotation return: such a value would be refused only later."""

import ast
import dis
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType

from sematic.errors import InvalidFunctionError


def refuse_unannotated_return(func: Callable[..., object]) -> None:
    """Refuse a function that returns a value but does not say so.

    Raises:
        InvalidFunctionError: with the annotation to write.
    """
    inner = inspect.unwrap(func)
    code: CodeType | None = getattr(inner, "__code__", None)
    if inner.__name__ == "<lambda>":
        if code is not None and _returns_a_value(code):
            raise InvalidFunctionError(
                f"A lambda has no place for type annotations, so what {func.__module__}."
                f"{func.__qualname__} returns is not known. Write a function instead: "
                "`def name(...) -> <type>:`"
            )
        return
    definition = _find_definition(inner)
    if definition is not None:
        _refuse_return_statement(func, definition)
    elif code is not None and _returns_a_value(code):
        raise InvalidFunctionError(
            f"{func.__module__}.{func.__name__} has no return annotation but returns a value. "
            f"Say what it returns: `def {func.__name__}(...) -> <type>:`"
        )


def _find_definition(func: Callable[..., object]) -> ast.FunctionDef | None:
    """The statement that defines a function, where there is source to look at."""
    try:
        first = ast.parse(textwrap.dedent(inspect.getsource(func))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    return first if isinstance(first, ast.FunctionDef) and first.name == func.__name__ else None


def _refuse_return_statement(func: Callable[..., object], definition: ast.FunctionDef) -> None:
    for node in _own_nodes(definition):
        if isinstance(node, ast.Return) and not _returns_nothing(node):
            written = ast.unparse(node)
            raise InvalidFunctionError(
                f"{func.__module__}.{func.__name__} has no return annotation but has "
                f"`{written}` in it. Say what it returns: "
                f"`def {func.__name__}(...) -> <type of {ast.unparse(node.value or node)}>:`"
            )


def _returns_nothing(node: ast.Return) -> bool:
    value = node.value
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _own_nodes(definition: ast.FunctionDef) -> list[ast.AST]:
    """The statements of a function, without those of functions and classes defined in it."""
    own: list[ast.AST] = []
    stack: list[ast.AST] = list(definition.body)
    while stack:
        node = stack.pop()
        own.append(node)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            stack.extend(ast.iter_child_nodes(node))
    return own


def _returns_a_value(code: CodeType) -> bool:
    """Whether bytecode returns anything that is not the constant ``None``."""
    before = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "RETURN_CONST" and instruction.argval is not None:
            return True
        if instruction.opname == "RETURN_VALUE":
            # What comes before a jump's target is not all that may lead there.
            known = before is not None and not instruction.is_jump_target
            if not known or before != ("LOAD_CONST", None):
                return True
        before = (instruction.opname, instruction.argval)
    return False
