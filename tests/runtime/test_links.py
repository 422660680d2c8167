from __future__ import annotations

from .check_link import LARGEST, check_link
from .pairs import linked_pair


async def test_a_session_link_is_a_link():
    await check_link(lambda: linked_pair(largest=LARGEST))
