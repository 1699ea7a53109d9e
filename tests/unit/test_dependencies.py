"""The page of dependencies says what the requirements say, and refuses what is unknown."""

from importlib.metadata import Distribution

import pytest

from scripts import dependencies
from scripts.dependencies import FILES, Package
from scripts.licences import is_accepted, read_licence

BEGIN = "<!-- written from the requirements: begin -->"
END = "<!-- written from the requirements: end -->"
PAGE = f"# Dependencies\n\n{BEGIN}\n{END}\n\nThe end.\n"
KNOWN = {("here", "1.0"): "MIT", ("asked-for", "2.0"): "ISC"}


@pytest.fixture
def requirements(tmp_path, monkeypatch):
    """Return a function that writes what production asks for; of the rest there is nothing."""
    monkeypatch.setattr(dependencies, "ROOT", tmp_path)
    monkeypatch.setattr(dependencies, "PAGE", tmp_path / "page.md")
    dependencies.PAGE.write_text(PAGE)
    for stem in FILES:
        (tmp_path / f"{stem}.in").write_text("-r requirements.in\n")
        (tmp_path / f"{stem}.txt").write_text("")
    compiled = (
        "Here[extra]==1.0 \\\n    --hash=sha256:0\n    # via -r requirements.in\n"
        "asked_for==2.0 \\\n    --hash=sha256:1\n    # via\n"
        "    #   -c requirements.txt\n    #   here\n    #   There\n"
    )
    (tmp_path / "requirements.txt").write_text(compiled)

    def write(asked):
        (tmp_path / "requirements.in").write_text(asked)

    return write


def test_a_package_stands_with_its_reason_and_another_with_who_asks_for_it(
    requirements,
):
    requirements("# All of them.\nhere[extra]>=1  # it says hello\n")

    page = dependencies.fill_page(PAGE, KNOWN)

    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert rows == [
        "| Package | Version | Licence | Why |",
        "| here | 1.0 | MIT | it says hello |",
        "| Package | Version | Licence | Needed by |",
        "| asked-for | 2.0 | ISC | here, there |",
    ]
    assert page.endswith(f"{END}\n\nThe end.\n")
    # What the page has is enough where a package is not installed.
    assert dependencies.fill_page(page, dependencies.read_rows(page)) == page
    assert list(dependencies.find_problems(KNOWN)) == []


def test_a_page_that_is_out_of_date_is_refused_until_it_is_written(
    requirements, capsys
):
    requirements("here  # it says hello\n")
    dependencies.PAGE.write_text(dependencies.fill_page(PAGE, KNOWN))
    assert dependencies.main(["--check"]) == 0

    requirements("here  # it says goodbye\n")

    assert dependencies.main(["--check"]) == 1
    assert "python -m scripts.dependencies" in capsys.readouterr().out
    assert dependencies.main([]) == 0
    assert dependencies.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("asked", "licence", "problem"),
    [
        (
            "here\n",
            "MIT",
            (
                "requirements.in: here has no reason. "
                "Write it behind the package: name  # reason"
            ),
        ),
        (
            "here  # hello\n",
            "",
            "requirements.in: here says nothing of its licence, or is not installed here.",
        ),
        (
            "here  # hello\n",
            "AGPL-3.0-only",
            "requirements.in: here is under AGPL-3.0-only: see scripts/licences.py",
        ),
    ],
)
def test_what_nobody_can_answer_for_is_refused(requirements, asked, licence, problem):
    requirements(asked)

    known = {**KNOWN, ("here", "1.0"): licence}

    assert list(dependencies.find_problems(known)) == [problem]


def test_an_installed_package_counts_in_the_version_that_is_pinned(monkeypatch):
    pinned = Package("pytest", pytest.__version__, "", ())

    assert dependencies.find_licence(pinned, {}) == "MIT"
    assert dependencies.find_licence(pinned._replace(version="0.1"), {}) == ""


class Installed(Distribution):
    """A package of which nothing is there but what it says of itself."""

    def __init__(self, **told):
        lines = [
            f"{name.replace('_', '-')}: {each}\n"
            for name, text in told.items()
            for each in ([text] if isinstance(text, str) else text)
        ]
        self._files = {"METADATA": "".join(lines)}

    def read_text(self, filename):
        return self._files.get(filename)

    def locate_file(self, path):
        raise NotImplementedError


OSI = "License :: OSI Approved :: "


@pytest.mark.parametrize(
    ("told", "licence"),
    [
        ({"License_Expression": "MIT", "License": "other"}, "MIT"),
        ({"License": "Apache 2.0"}, "Apache-2.0"),
        ({"License": "New BSD", "Classifier": [f"{OSI}BSD License"]}, "BSD-3-Clause"),
        ({"License": "BSD", "Classifier": [f"{OSI}BSD License"]}, "BSD"),
        (
            {
                "License": "MIT License\n \n Copyright",
                "Classifier": f"{OSI}MIT License",
            },
            "MIT",
        ),
        (
            {
                "License": "Dual License",
                "Classifier": [f"{OSI}BSD License", f"{OSI}Apache Software License"],
            },
            "Apache-2.0 AND BSD",
        ),
        ({"License": "Mine alone"}, "Mine alone"),
        ({"Classifier": ["Topic :: Software Development"]}, ""),
    ],
)
def test_a_licence_is_what_a_package_says_of_itself(told, licence):
    assert read_licence("some", Installed(**told)) == licence


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("MIT", True),
        ("AGPL-3.0-only", False),
        ("AGPL-3.0-only OR MIT", True),
        ("AGPL-3.0-only AND MIT", False),
        ("Mine alone", False),
    ],
)
def test_of_alternatives_one_is_enough(licence, accepted):
    assert is_accepted(licence) is accepted
