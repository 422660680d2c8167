"""The group ristretto255 [RFC 9496], of prime order, in constant time: by libsodium, and many at once by `curve`.

Elements are their 32-byte encodings, scalars 32 little-endian bytes. An encoding is checked where it comes from a peer
(`is_element`); with a prime order there is no small subgroup to look out for.
"""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path
from typing import Any

from glovebox.algebra.kernels import U8, curve_kernels
from glovebox.errors import GloveboxError

ELEMENT_BYTES = 32
UNIFORM_BYTES = 64  # reduced modulo the order, about 2^252.6: 2^-259 away from uniform
ORDER = 2**252 + 27742317777372353535851937790883648493
HALF = ((ORDER + 1) // 2).to_bytes(32, "little")
IDENTITY = bytes(ELEMENT_BYTES)
TOP_BIT = 0x80  # of an encoding's last byte: never set (RFC 9496, 4.3.1), and libsodium 1.0.18 does not look at it
REFUSED = "the product is the identity, or one factor is none of the group"


@functools.cache
def _library() -> Any:
    """rbcl, which carries libsodium and writes it to a file of its own at import; once loaded, the file can go."""
    try:
        library = importlib.import_module("rbcl")
    except OSError as error:
        raise GloveboxError(
            "libsodium could not be loaded from the folder for temporary files",
            step="ristretto255",
            hint="set TMPDIR to a folder from which programs may be loaded",
        ) from error
    Path(sys.modules["rbcl._sodium"].lib_path).unlink(missing_ok=True)
    return library


def scalar(uniform: bytes) -> bytes:
    """A uniform scalar from 64 uniform bytes."""
    reduced: bytes = _library().crypto_core_ristretto255_scalar_reduce(uniform)
    return reduced


def halved(factor: bytes) -> bytes:
    """Half of a scalar, modulo the order."""
    half: bytes = _library().crypto_core_ristretto255_scalar_mul(factor, HALF)
    return half


def is_element(encoding: bytes) -> bool:
    """Whether this is the canonical encoding of an element other than the identity."""
    valid: int = _library().crypto_core_ristretto255_is_valid_point(encoding)
    return valid == 1 and encoding != IDENTITY and encoding[-1] < TOP_BIT


def base_times(factor: bytes) -> bytes:
    """factor G; for a factor other than 0."""
    element: bytes = _library().crypto_scalarmult_ristretto255_base(factor)
    return element


def times(factor: bytes, element: bytes) -> bytes:
    """factor P. ValueError if that is the identity, or if the element is none."""
    try:
        product: bytes = _library().crypto_scalarmult_ristretto255(factor, element)
    except RuntimeError:
        raise ValueError(REFUSED) from None
    if element[-1] >= TOP_BIT:
        raise ValueError(REFUSED)
    return product


def hashed(uniform: bytes) -> bytes:
    """The element that 64 uniform bytes stand for: the one-way map of RFC 9496."""
    element: bytes = _library().crypto_core_ristretto255_from_hash(uniform)
    return element


def plus(a: bytes, b: bytes) -> bytes:
    """P + Q."""
    total: bytes = _library().crypto_core_ristretto255_add(a, b)
    return total


def minus(a: bytes, b: bytes) -> bytes:
    """P - Q."""
    difference: bytes = _library().crypto_core_ristretto255_sub(a, b)
    return difference


def all_times(factor: bytes, encodings: U8) -> U8:
    """factor P of many, in constant time, too: (n, 32). ValueError if one is the identity, or one P is no element."""
    return curve_kernels().all_times(factor, encodings)


def hashed_times(factor: bytes, uniform: U8) -> U8:
    """factor times what each row of 64 uniform bytes stands for: (n, 32)."""
    return curve_kernels().hashed_times(factor, uniform)
