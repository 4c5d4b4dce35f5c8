"""A component whose settings hold as its config has them, and survive being saved."""

from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional, Set, Union

import srsly

from .checks import CheckedPipe
from .model import signature
from .saving import reading
from .settings import (
    CONFIGURED,
    DEFAULTS,
    KNOWN,
    SIGNATURE,
    UNFITTED,
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
    _known: Set[str]  # what the cfg may have

    def configure(self, **settings: Any) -> None:
        """Begin with what the config says, before anything is learned.

        settings (Any): A value for each of `DEFAULTS`.
        RAISES (ValueError): If one is out of its range.
        """
        check_settings(f"components.{self.name}", settings)
        self.cfg = {
            "labels": [],
            **settings,
            CONFIGURED: deepcopy(settings),
            **UNFITTED,
        }
        self._known = set(KNOWN)

    def require_cfg(self) -> None:
        """Insist that settings and labels are such as can be worked with.

        RAISES (ValueError): If they are not.
        """
        # That of an older version may lack a setting.
        check_settings(f"components.{self.name}", {**DEFAULTS, **self.cfg})

    def require_settings(self) -> None:
        """Insist that what was changed in `cfg` can be meant.

        RAISES (ValueError): If a setting is out of its range, or is none, or names a label that there is not.
        """
        path, unknown = f"components.{self.name}", sorted(self.cfg.keys() - self._known)
        if unknown:
            raise ValueError(f"{path}: there is no setting {', '.join(unknown)} in {', '.join(DEFAULTS)}.")
        check_settings(path, {**DEFAULTS, **self.cfg})
        if self.labels:
            check_labels(path, self.cfg, self.labels, known=self.cfg[CONFIGURED])

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component; as part of a pipeline, with its config brought up to date.

        The pipeline writes its config before its components, and does not know what was changed in their cfg.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): What to leave out.
        """
        self.require_settings()
        super().to_disk(path, exclude=[*exclude, "cfg"])  # which is written here, signed
        if "cfg" in exclude:
            return
        folder = Path(path)
        srsly.write_json(folder / "cfg", self._signed_cfg())
        changed = changes(self.cfg)
        if changed and read_settings(folder.parent, folder.name):
            write_settings(folder.parent, folder.name, changed)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Save the component as bytes.

        exclude (Iterable[str]): What to leave out.
        RETURNS (bytes): The bytes.
        """
        self.require_settings()
        parts: Dict[str, Any] = srsly.msgpack_loads(super().to_bytes(exclude=tuple(exclude)))
        if "cfg" in parts:
            parts["cfg"] = srsly.json_dumps(self._signed_cfg())
        return srsly.msgpack_dumps(parts)

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "ConfiguredPipe":
        """Load the component; settings hold as the config has them where it says something new.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): What to leave out.
        RETURNS (ConfiguredPipe): The component itself.
        RAISES (ValueError): If the model that was saved is another one than the config describes.
        """
        with self._reading_cfg("cfg" not in exclude) as saved:
            super().from_disk(path, exclude=exclude)
            with reading(f"'{path}'"):
                self._require_signature(saved, "model" not in exclude)
        self._settle(saved, Path(path))
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "ConfiguredPipe":
        """Load the component; settings hold as the config has them where it says something new.

        bytes_data (bytes): What `to_bytes` gave.
        exclude (Iterable[str]): What to leave out.
        RETURNS (ConfiguredPipe): The component itself.
        RAISES (ValueError): If the model that was saved is another one than the config describes.
        """
        parts = self.saved_parts(bytes_data).difference(exclude)
        with self._reading_cfg("cfg" in parts) as saved:
            super().from_bytes(bytes_data, exclude=exclude)
            with reading(f"What has been saved of the component '{self.name}'"):
                self._require_signature(saved, "model" in parts)
        self._settle(saved)
        return self

    def _signed_cfg(self) -> Dict[str, Any]:
        """The cfg, as it is saved: it says what weights it belongs to."""
        return {**self.cfg, SIGNATURE: signature(self.model)}

    def _require_signature(self, saved: Dict[str, Any], is_read: bool) -> None:
        """Insist that a model that is read is that of the cfg; one of an older version does not say."""
        signed = saved.pop(SIGNATURE, None)
        if is_read and signed is not None and signed != signature(self.model):
            raise ValueError("its files 'cfg' and 'model' are of different pipelines")

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
        self._known |= saved.keys()  # that of a later version may say more
        if CONFIGURED in saved:
            memories = [saved[CONFIGURED]]
        else:
            memories = [DEFAULTS, read_settings(path.parent, path.name) if path else {}]
        self.cfg = settle(self.cfg, saved, memories)
        if self.labels:
            check_labels(f"components.{self.name}", self.cfg, self.labels, known=saved)
