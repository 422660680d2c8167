"""An asker that dies before it gave the signed receipt to the others: they have it when it is back."""

import pytest

from glovebox.cli.fleet import anew

from ..node.test_records import receipts
from ..waiting import wait_until
from .halts import ASKER, HELD, PARTIES, QUESTION, halted, held_fleet, start_missing


@pytest.mark.fault
def test_who_lost_the_asker_before_the_receipt_gets_it_when_the_asker_is_back(tmp_path):
    with held_fleet(tmp_path) as fleet:
        halt = halted(fleet, ASKER, "signed", anew(QUESTION))
        (kept,) = receipts(fleet, ASKER).items()
        fleet.processes[ASKER].kill()
        fleet.processes.pop(ASKER).wait()
        halt.release()
        halt.asking.thread.join()
        others = [party for party in PARTIES if party != ASKER]
        assert not any(receipts(fleet, party) for party in others)
        fleet.start(ASKER, HELD)
        assert wait_until(lambda: all(receipts(fleet, party) == dict([kept]) for party in others))
        start_missing(fleet)
        for party in others:
            assert b'"delivered"' in fleet.homes[party].log_file.read_bytes()
