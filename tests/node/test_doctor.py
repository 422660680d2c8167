"""`glovebox doctor` names what is wrong, who has to act and how; `/metrics` and `/health` say how the node is."""

import asyncio
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from glovebox.cli.fleet import Fleet, anew, free_ports
from glovebox.cli.workloads import pair
from glovebox.node.doctor import examine

EXERCISE = pair(64)
QUESTION = EXERCISE.questions[0].asked


pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("doctor")
    files = EXERCISE.write(directory / "data")
    fleet = Fleet(directory, list(EXERCISE.parties))
    fleet.agree(EXERCISE.contract(fleet.keys, fleet.addresses))
    for (party, table), path in files.items():
        fleet.bind(party, table, path)
    fleet.metrics = f"127.0.0.1:{free_ports(1)[0]}"
    settings = fleet.homes["left"].settings_file
    settings.write_text(settings.read_text() + f'metrics = "{fleet.metrics}"\n')
    with fleet:
        yield fleet


def doctor(fleet, *words):
    command = [sys.executable, "-I", "-m", "glovebox", "doctor", *words, "--home", str(fleet.homes["left"].root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def ill(fleet):
    return {one.what: one for one in asyncio.run(examine(fleet.homes["left"])) if not one.well}


def test_what_is_wrong_is_named_with_its_side_and_a_way_out(fleet):
    assert fleet.ask("left", anew(QUESTION)).receipt
    done = doctor(fleet)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for what in ("home", "disk", "log", "node", "contract bench v1", "table spending", "right", "notary's clock"):
        assert f"well  {what}: " in done.stdout

    fleet.stop("notary")
    found = ill(fleet)["notary"]
    assert found.side == "notary"
    assert "nothing takes connections" in found.said
    assert doctor(fleet, "--json").returncode == 1

    contract = next(fleet.homes["right"].contracts.glob("*.sig"))
    whole = contract.read_bytes()
    contract.unlink()
    assert ill(fleet)["right's contract"].side == "right"
    contract.write_bytes(whole)

    source = fleet.directory / "data" / "left-spending.parquet"
    data = source.read_bytes()
    source.write_bytes(data + b"\0")
    assert ill(fleet)["table spending"].side == "left"
    source.unlink()
    assert "glovebox data add" in ill(fleet)["table spending"].fix
    source.write_bytes(data)
    fleet.bind("left", "spending", source)

    fleet.homes["left"].root.chmod(0o755)
    assert "chmod 700" in ill(fleet)["home"].fix
    fleet.homes["left"].root.chmod(0o700)
    fleet.start("notary")


def get(fleet, path, method="GET"):
    request = urllib.request.Request(f"http://{fleet.metrics}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_metrics_are_prometheus_text_and_name_no_row(fleet):
    fleet.ask("left", anew(QUESTION))
    status, text = get(fleet, "/metrics")
    assert status == 200
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) glovebox_[a-z_]+ .+|glovebox_[a-z_]+(\{[^{}]*\})? [0-9.e+]+", line), line
    assert 'glovebox_sessions{state="signed"}' in text
    assert "glovebox_sessions_limit 2" in text
    assert get(fleet, "/health") == (200, "well\n")
    assert get(fleet, "/other")[0] == 404
    assert get(fleet, "/metrics", "POST")[0] == 405


def test_metrics_are_served_on_loopback_alone(fleet, tmp_path):
    fleet.stop("left")
    settings = fleet.homes["left"].settings_file
    whole = settings.read_text()
    settings.write_text(whole.replace(f'metrics = "{fleet.metrics}"', 'metrics = "0.0.0.0:9171"'))
    command = [sys.executable, "-I", "-m", "glovebox", "serve", "--home", str(fleet.homes["left"].root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    settings.write_text(whole)
    assert (done.returncode, "no loopback address" in done.stderr) == (2, True)
    fleet.start("left")


def test_what_a_node_reports_is_a_json_line_with_its_session(fleet):
    fleet.stop("notary")
    with pytest.raises(Exception, match="notary"):
        fleet.ask("left", anew(QUESTION), wait_s=0)
    fleet.start("notary")
    for line in (fleet.homes["right"].root / "err.txt").read_text().splitlines():
        told = json.loads(line)
        assert {"event", "level", "timestamp"} <= set(told)
