"""What a component insists on when it is loaded, so that damage is found then, and the file is named."""

from pathlib import Path
from typing import Iterable, Set, Union

import srsly
from spacy.pipeline import TrainablePipe
from spacy.util import ensure_path

from .frozen.shim import FrozenShim, require_sound
from .saving import reading


class CheckedPipe(TrainablePipe):
    """A trainable pipe that says which of its files can't be used, and why.

    Subclasses insist on what they need in `require_cfg` and `require_match`, which are called after loading.
    """

    def require_cfg(self) -> None:
        """Insist that settings and labels are such as can be worked with.

        RAISES (ValueError): If they are not.
        """

    def require_model(self) -> None:
        """Insist that the layers of the model are what they say they are.

        RAISES (ValueError): If they are not.
        """
        for node in self.model.walk():
            if node.has_param("E") and node.get_param("E").shape != (node.get_dim("nV"), node.get_dim("nO")):
                raise ValueError(f"a table of the layer '{node.name}' has not the size it says")
            if any(isinstance(shim, FrozenShim) for shim in node.shims):
                require_sound(node)

    def require_match(self) -> None:
        """Insist that settings, labels and model belong together.

        RAISES (ValueError): If they do not.
        """

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "CheckedPipe":
        """Load the component from a folder.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): Names of the files to leave out.
        RETURNS (CheckedPipe): Itself.
        RAISES (SavedError): If a file is damaged, or not what it should be.
        """
        folder, left_out = ensure_path(path), set(exclude)
        for part, insist in {"vocab": None, "cfg": self.require_cfg, "model": self.require_model}.items():
            if part in left_out:
                continue
            with reading(f"'{folder / part}'"):
                super().from_disk(folder, exclude=[*left_out, *{"vocab", "cfg", "model"}.difference([part])])
                if insist is not None:
                    insist()
        with reading(f"'{folder}'"):
            self.require_match()
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "CheckedPipe":
        """Load the component from bytes.

        bytes_data (bytes): What `to_bytes` wrote.
        exclude (Iterable[str]): Names of the parts to leave out.
        RETURNS (CheckedPipe): Itself.
        RAISES (SavedError): If they are damaged, or not what they should be.
        """
        with reading(f"What has been saved of the component '{self.name}'"):
            super().from_bytes(bytes_data, exclude=tuple(exclude))
            self.require_cfg()
            self.require_model()
            self.require_match()
        return self

    def saved_parts(self, bytes_data: bytes) -> Set[str]:
        """Say which parts of a component have been saved as bytes.

        bytes_data (bytes): What `to_bytes` wrote.
        RETURNS (Set[str]): Names of the parts.
        RAISES (SavedError): If the bytes are damaged, or there is none.
        """
        with reading(f"What has been saved of the component '{self.name}'"):
            parts = set(srsly.msgpack_loads(bytes_data))
            if not parts:
                raise ValueError("it is empty")
        return parts
