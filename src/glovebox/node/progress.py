"""How far a session is, as its own party sees it. What it rests on is public: the plan's steps, shards, bounds of rows.

It goes to this party's own people and to nobody else: when a step ends may follow the rows that are behind it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glovebox.node.local import Running
from glovebox.planner.cost import Step, steps_of

if TYPE_CHECKING:
    from glovebox.node.participant import Participant

LEAST_SHARE = 0.02  # of the whole: before it, what a step took says too little of the rest


def running(participant: Participant) -> Running:
    """A participant's session as it is now."""
    doing, session = participant.doing, participant.session.hex()
    if doing is None:
        return Running(session, participant.contract.name, participant.asker_name, participant.step)
    share = share_of(steps_of(participant.plan, participant.contract), doing.step, doing.done / doing.of)
    seconds = time.monotonic() - participant.began
    left_s = seconds * (1 - share) / share if share >= LEAST_SHARE else None
    return Running(
        session, participant.contract.name, participant.asker_name, doing.step, doing.done, doing.of,
        round(share, 3), round(seconds, 1), None if left_s is None else round(left_s, 1),
    )  # fmt: skip


def share_of(steps: tuple[Step, ...], name: str, part: float) -> float:
    """How much of the whole is done, from 0 to 1, when `part` of the step of this name is."""
    done = 0.0
    for step in steps:
        if step.name == name:
            return (done + part * step.seconds) / sum(step.seconds for step in steps)
        done += step.seconds
    raise ValueError(f"the plan has no step {name}")
