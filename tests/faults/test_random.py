"""Random schedules of faults under load: whatever comes together, nothing is lost.

A schedule's seed says everything that happens. `make test` takes the same few each time,
`make test ARGS=--all` some more, `make faults` all of them, `make soak` a thousand new
ones.
"""

import contextlib

import pytest

from tests.faults import soak
from tests.faults.choice import choice
from tests.faults.conftest import a_scene
from tests.faults.network import Network
from tests.faults.schedules import schedule
from tests.faults.trouble import Trouble
from tests.harness import databases

SEEDS = [
    *choice(soak.seeds()[: soak.SOME], *soak.seeds()[: soak.FEW]),
    *(
        pytest.param(seed, marks=[pytest.mark.thorough, pytest.mark.exhaustive])
        for seed in soak.seeds()[soak.SOME :]
    ),
]


@pytest.fixture(scope="module")
def arenas(grounds, request):
    """Return a function that gives a ground and the network on it, made when first needed."""
    with contextlib.ExitStack() as stack:
        made = {}

        def arena_of(kind):
            if kind not in made:
                own = kind == "postgresql"  # it is crashed, and nobody else's may be
                ground = request.getfixturevalue("own_ground") if own else grounds(kind)
                made[kind] = (ground, stack.enter_context(Network(ground)))
                stack.callback(ground.end_web)
            return made[kind]

        yield arena_of


@pytest.fixture
def arena(request, arenas, kind):
    ground, network = arenas(kind)
    ground.end_web()
    network.web()
    for scene in a_scene(request, ground):
        yield scene, network
        network.heal()


@pytest.mark.scenario("random schedules")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", soak.kinds(databases.KINDS))
def test_a_random_schedule_loses_nothing(arena, kind, seed):
    scene, network = arena
    plan = schedule(seed, kind)
    print(plan)
    trouble = Trouble(scene, network)
    if plan.learns:
        scene.learn_of_people()
    if plan.compares:
        scene.let_workers_compare()
    if plan.poison:
        whom = f"-{scene.app.slug}-{plan.poisoned}@"
        scene.sandbox.poison(identity=whom, **plan.poison)

    with scene.load(threads=plan.threads, size=plan.size, seconds=5):
        for step in plan.steps:
            trouble.carry_out(step)
        trouble.heal()
        before = scene.backend.statuses[202]
        scene.wait_until(lambda: scene.backend.statuses[202] > before)
    scene.settle()
    trouble.end_erasures()
    if plan.replays:
        trouble.replay_letters()

    scene.settle_and_check()
    assert scene.read_back() == []
