"""A decoder that fails as C code does. Its processes import this module, so it imports little."""

from __future__ import annotations

import os
import signal

from lmeran.imaging.decoding import Decoder
from lmeran.imaging.decoding_pool import Outcome
from lmeran.imaging.sources import Source


class Fragile(Decoder):
    """As bad as its films' names say."""

    def decode(self, source: Source) -> Outcome:
        if "crash" in source.label:
            os.kill(os.getpid(), signal.SIGSEGV)
        while "hang" in source.label:
            pass
        return super().decode(source)


def take_memory(count: int) -> int:
    """Fill so many bytes, as a film that claims to be large makes a decoder do."""
    return len(bytearray(count))
