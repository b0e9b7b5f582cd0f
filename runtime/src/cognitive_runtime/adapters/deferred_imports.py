"""Packages whose code runs when one of their names is first used, and not when they are imported."""

import sys
from collections.abc import Collection, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any, Final

_EXECUTING: Final = RLock()


class DeferredPackages(MetaPathFinder):
    """Import hook that defers packages.

    A package that is imported while the hook is installed is found, but its code runs with the first use of one of its
    names. Its submodules can be imported without its code. A package stays deferred after the hook was removed.
    """

    def __init__(self, deferred: Collection[str], absent: Collection[str] = ()) -> None:
        """Take the names of packages.

        Args:
            deferred: Packages to defer. One that is already imported stays as it is.
            absent: Modules whose import fails as if they were not installed, for packages that import them if they can.
        """
        self._deferred = frozenset(deferred)
        self._absent = frozenset(absent)

    def install(self) -> None:
        """Apply to the imports of all threads from now on. Idempotent."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Apply to no further import. Idempotent."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the specification of a deferred package, or None for another one.

        Raises:
            ModuleNotFoundError: The module counts as absent.
        """
        if fullname in self._absent:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        spec = PathFinder.find_spec(fullname, path, target) if fullname in self._deferred else None
        if spec is not None and spec.loader is not None:
            spec.loader = _DeferringLoader(spec.loader)
        return spec


def is_deferred(name: str) -> bool:
    """Return True if a package is imported and its code has not run."""
    return isinstance(sys.modules.get(name), _DeferredModule)


class _DeferredModule(ModuleType):
    """Package that was found and whose code has not run."""

    def __getattr__(self, name: str) -> Any:
        """Run the package's code, and return the name that it defines."""
        if name.startswith("__"):  # read by tools that look at all modules, such as inspect and pickle
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with _EXECUTING:
            if isinstance(self, _DeferredModule):  # another thread may have run the code
                _execute(self)
        return getattr(self, name)


class _DeferringLoader(Loader):
    """Loader of a package that leaves its execution to the first use."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _DeferredModule


def _execute(module: ModuleType) -> None:
    spec = module.__spec__
    assert spec is not None
    assert isinstance(spec.loader, _DeferringLoader)
    module.__class__ = ModuleType
    spec.loader = module.__loader__ = spec.loader.loader
    spec.loader.exec_module(module)
