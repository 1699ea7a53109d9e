"""Each installation is built once, in the one process that has all of its causes."""

import contextlib

import pytest

from tests.conftest import FAILED
from tests.planted.causes import CAUSES, installs
from tests.planted.stacks import BUILDS, WELL, Site


@pytest.fixture(scope="module")
def sites(request, tmp_path_factory):
    """Return a function that gives an installation by its name, with its causes planted.

    They end with the last test that looks at them: a worker sweeps twice a second, and
    would do so until all other tests of the run are over.
    """
    chosen = {
        item.callspec.params.get("cause")
        for item in request.session.items
        if hasattr(item, "callspec")
    }
    with contextlib.ExitStack() as stack:
        made = {}

        def site_of(name):
            if name not in made:
                folder = tmp_path_factory.mktemp("planted")
                made[name] = stack.enter_context(Site(BUILDS[name], folder))
                plant_all(made[name], [each for each in CAUSES if each in chosen], name)
            return made[name]

        yield site_of


@pytest.fixture
def site_of(request, sites):
    """The same; where the test fails, it shows what the processes printed."""
    asked = []

    def ask(name):
        asked.append(sites(name))
        return asked[-1]

    yield ask
    if request.node.stash.get(FAILED, False):
        for site in asked:
            print(site.stack.logs())


def plant_all(site, causes, name):
    """Plant those of the installation's causes that are tested, and what is well."""
    if name == "patient":
        site.provision(WELL, "--enable")
        site.send(WELL, installs(WELL, 3))
    for cause in causes:
        if cause.site == name:
            site.plant(cause)
