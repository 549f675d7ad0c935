# SPDX-License-Identifier: Apache-2.0
"""A storm: 1 000 incidents a minute, each decided soon, none lost over kill -9, in bounded memory."""

import pytest
from agent_program import Agent
from incident_load import POLICY, Receiver, run_load


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def start(programs, agent_binary, folder, receiver, open_max):
    return Agent(programs, agent_binary, folder, POLICY.format(url=receiver.url), ["--incidents.max-open", open_max])


def check_nothing_is_lost(run, receiver):
    models = {incident["model"] for incident in run.incidents.values()}
    assert models == {f"m{number}" for number in range(run.count)}
    told = {action["incident"] for action in run.actions if action["rule"] == "tell" and action["outcome"] in ("accepted", "sent")}
    assert told == set(run.incidents), "of each incident somebody is told"
    known = {action["id"] for action in run.actions}
    assert set(receiver.keys) <= known, "nothing is sent that is not in the journal"


def test_a_hundred_incidents_within_seconds_over_a_kill(programs, agent_binary, tmp_path, receiver):
    agent = start(programs, agent_binary, tmp_path, receiver, 1_000)
    run = run_load(agent, receiver, count=100, per_minute=1_000, open_for=None, kills=(50,))
    check_nothing_is_lost(run, receiver)
    assert run.delay(0.5) < 0.5, run.delays()


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_thousand_incidents_a_minute_for_ten_minutes(programs, agent_binary, tmp_path, receiver):
    agent = start(programs, agent_binary, tmp_path, receiver, 2_000)
    run = run_load(agent, receiver, count=10_000, per_minute=1_000, open_for=60, kills=(4_000, 6_000))
    check_nothing_is_lost(run, receiver)
    assert run.delay(0.99) < 0.1, [run.delay(q) for q in (0.5, 0.9, 0.99, 0.999)]
    # Of the last process: it grows no further once as many are open as ever.
    last = run.memory[-60:]
    assert last[-1] < 1.2 * last[len(last) // 2], run.memory
