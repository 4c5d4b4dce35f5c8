"""A component whose settings hold as its config has them, and survive being saved."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional, Union

from .checks import CheckedPipe, require_types
from .settings import (
    CONFIGURED,
    DEFAULTS,
    changes,
    check_labels,
    check_settings,
    read_settings,
    settle,
    write_settings,
)


class ConfiguredPipe(CheckedPipe):
    """A component with the settings in `DEFAULTS` in its cfg; see `settings` for which value holds."""

    cfg: Dict[str, Any]

    def require_cfg(self) -> None:
        """Insist that settings and labels are such as can be worked with.

        RAISES (ValueError): If they are not.
        """
        cfg = {**DEFAULTS, **self.cfg}  # that of an older version may lack a setting
        require_types(cfg)
        check_settings(f"components.{self.name}", cfg)

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component; as part of a pipeline, with its config brought up to date.

        The pipeline writes its config before its components, and does not know what was changed in their cfg.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): What to leave out.
        """
        super().to_disk(path, exclude=exclude)
        model, name = Path(path).parent, Path(path).name
        changed = changes(self.cfg)
        if changed and "cfg" not in exclude and read_settings(model, name):
            write_settings(model, name, changed)

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "ConfiguredPipe":
        """Load the component; settings hold as the config has them where it says something new.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): What to leave out.
        RETURNS (ConfiguredPipe): The component itself.
        RAISES (ValueError): If the model that was saved is another one than the config describes.
        """
        with self._reading_cfg("cfg" not in exclude) as saved:
            super().from_disk(path, exclude=exclude)
        self._settle(saved, Path(path))
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "ConfiguredPipe":
        """Load the component; settings hold as the config has them where it says something new.

        bytes_data (bytes): What `to_bytes` gave.
        exclude (Iterable[str]): What to leave out.
        RETURNS (ConfiguredPipe): The component itself.
        RAISES (ValueError): If the model that was saved is another one than the config describes.
        """
        with self._reading_cfg("cfg" in self.saved_parts(bytes_data).difference(exclude)) as saved:
            super().from_bytes(bytes_data, exclude=exclude)
        self._settle(saved)
        return self

    @contextmanager
    def _reading_cfg(self, is_read: bool) -> Iterator[Dict[str, Any]]:
        """Let a cfg be read into a dictionary of its own, if one is read, and keep what is there."""
        own, saved = self.cfg, {"labels": [], "temperature": 1.0} if is_read else {}
        self.cfg = saved if is_read else own
        try:
            yield saved
        finally:
            self.cfg = own

    def _settle(self, saved: Dict[str, Any], path: Optional[Path] = None) -> None:
        """Take over a cfg that was saved, in the folder `path` if there is one.

        A cfg of an older version does not remember what the config said. There, what differs from the config
        beside it was given at loading, and what differs from the defaults was meant.
        """
        if not saved:
            return
        if CONFIGURED in saved:
            memories = [saved[CONFIGURED]]
        else:
            memories = [DEFAULTS, read_settings(path.parent, path.name) if path else {}]
        self.cfg = settle(self.cfg, saved, memories)
        if self.labels:
            check_labels(f"components.{self.name}", self.cfg, self.labels, known=saved)
