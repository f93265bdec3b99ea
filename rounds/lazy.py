"""Imports that cost nothing until the library is touched."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Stands for a library until its first attribute is wanted; then the library itself is loaded and answers."""

    def __getattr__(self, attribute: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        found = getattr(importlib.import_module(self.__name__), attribute)
        self.__dict__[attribute] = found  # the next time it is found without asking
        return found


def defer(*names: str) -> None:
    """Let a later `import name` succeed at once.

    importlib's own LazyLoader does not serve: an import statement reads `__spec__` and so wakes its modules.
    """
    for name in names:
        spec = importlib.util.find_spec(name) if name not in sys.modules else None
        if spec is None:
            continue  # loaded already, or another step's library: importing that fails by its own words
        module = _Deferred(name)
        module.__spec__ = spec
        module.__file__ = spec.origin
        sys.modules[name] = module
