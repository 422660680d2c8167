"""Whether bytes look uniform: the test of every view of a row-level step."""

from __future__ import annotations

import numpy as np


def assert_noise(frame: object, octets: np.ndarray) -> None:
    """Bytes, and XORs of neighbouring words, are uniform within six standard deviations; octets: (runs, bytes)."""
    words = octets[:, : octets.shape[1] // 8 * 8].reshape(len(octets), -1, 8)
    for sample in (octets, words[:, 1:] ^ words[:, :-1]):
        if sample.size >= 1280:  # five a cell
            counts = np.bincount(sample.reshape(-1), minlength=256)
            statistic = ((counts - sample.size / 256) ** 2).sum() / (sample.size / 256)
            assert abs(statistic - 255) < 6 * (2 * 255) ** 0.5, frame
    bits = np.unpackbits(octets)
    assert abs(bits.mean() - 0.5) < 6 * 0.5 / len(bits) ** 0.5, frame
