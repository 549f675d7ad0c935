#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The loop on one machine, in three acts. Three replicas of a model, each with its sidecar, behind a load balancer:

  --act 1   the model loses accuracy, is caught, and is retrained
  --act 2   a load surge; the agent scales from 3 pods to 8 pods, and latency is well again
  --act 3   a version is promoted past its gates; the agent names it as the cause and rolls it back

Starts everything, sends houses and later their true prices, and tells each step when it is *seen* through
Prometheus, Alertmanager and the HTTP APIs. Nothing is scripted but the traffic. Ctrl-C stops all of it.
"""

import argparse
import pathlib
import shutil
import signal
import sys
import time

import act2
import act3
from act import Terminal
from act1 import CAUSES, Act1
from fleet import Fleet, missing_tools
from loop import DEMO, ROOT, Loop  # noqa: F401 (dashboards/ and tests begin here)
from processes import HttpError, Programs


def act_1(settings, folder, programs):
    fleet = Fleet(folder, programs, favour_ports=not settings.check, rate=settings.rate)
    return fleet, lambda terminal: Act1(fleet, terminal, settings.patience, settings.cause)


def act_2(settings, folder, programs):
    fleet = Fleet(folder, programs, favour_ports=not settings.check, rate=act2.CALM_RATE, policy="policy-act2.yaml",
                  objectives=act2.OBJECTIVES, predictor_options=["--predict.service-time", f"{act2.SERVICE_MS}ms"],
                  hasty={act2.ALERT: act2.HOLDS_SECONDS})
    return fleet, lambda terminal: act2.Act2(fleet, terminal, settings.patience)


def act_3(settings, folder, programs):
    fleet = act3.Act3Fleet(folder, programs, favour_ports=not settings.check, rate=80, policy="policy-act3.yaml")
    return fleet, lambda terminal: act3.Act3(fleet, terminal, settings.patience)


ACTS = {"1": act_1, "2": act_2, "3": act_3}


def interrupt(*_):
    raise KeyboardInterrupt


def on_interrupt(handler):
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, handler)


def tell_where(loop, terminal):
    for name, port in loop.elsewhere.items():
        terminal.say(f"    port {port} is taken: {name} is at {loop.address[name]}", "33")
    for name, what in (("agent", "incidents, evidence, actions"), ("prometheus", "metrics and alerts"),
                       ("alertmanager", "notifications"), ("sidecar", "the first sidecar's /metrics and /api/v1/status"),
                       ("deployer", "/api/v1/status: the replicas")):
        terminal.say(f"    {loop.url(name):28} {what}", "34")
    terminal.say(f"    curl '{loop.url('proxy')}/predict?size=1800&bedrooms=3'", "34")
    terminal.say(f"    logs: {loop.programs.log_folder}", "34")


def options():
    parser = argparse.ArgumentParser(prog="scripts/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--act", choices=[*ACTS, "all"], default="1", help="which (default: %(default)s); all: one after the other")
    add("--check", action="store_true",
        help="play the story without a terminal, on free ports; exit 0 only if every step was observed in time")
    add("--cause", choices=CAUSES, default="market",
        help="of act 1: market: prices change for the same houses; buyers: other houses come (default: %(default)s)")
    add("--rate", type=float, default=80, help="of act 1: predictions a second (default: %(default)s)")
    add("--data", default=ROOT / "build" / "run", help="where the programs keep data and logs; emptied at the start")
    add("--patience", type=float, default=180, help="seconds that a step may take (default: %(default)s)")
    return parser.parse_args()


def play(settings, terminal, name, last):
    """One act, from an empty folder to the end of its programs."""
    folder = pathlib.Path(settings.data)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Programs(folder / "logs") as programs:
        try:
            perform(settings, terminal, name, last, folder, programs)
        finally:
            on_interrupt(signal.SIG_IGN)  # What was started is stopped, however impatient somebody is.
    on_interrupt(interrupt)


def perform(settings, terminal, name, last, folder, programs):
    loop, make_act = ACTS[name](settings, folder, programs)
    terminal.say("training the first model on 20000 past sales, then starting 3 predictors with their sidecars, a load "
                 "balancer, agents, Alertmanager and Prometheus")
    traffic = loop.start()
    tell_where(loop, terminal)
    act = make_act(terminal)
    act.play(traffic)
    act.tell_figures()
    if settings.check:
        act.check_limits()
    if settings.check or not last:
        return
    terminal.say("the story is told; everything goes on running until Ctrl-C", "1")
    while True:
        time.sleep(1)


def main():
    settings = options()
    terminal = Terminal()
    missing = missing_tools()
    if missing:
        terminal.say(f"missing: {', '.join(missing)}; scripts/run installs and builds them", "1;31")
        return 2

    on_interrupt(interrupt)
    names = list(ACTS) if settings.act == "all" else [settings.act]
    try:
        for name in names:
            if len(names) > 1:
                terminal.say(f"act {name}", "1")
            play(settings, terminal, name, last=name == names[-1])
        terminal.say("every step was observed", "1;32")
        return 0
    except KeyboardInterrupt:
        terminal.say("stopped: nothing is left running")
        return 0 if not settings.check else 130
    except (TimeoutError, RuntimeError, OSError, HttpError) as error:
        terminal.say(f"not observed: {error}", "1;31")
        return 1


if __name__ == "__main__":
    sys.exit(main())
