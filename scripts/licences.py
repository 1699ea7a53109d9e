"""Under which licence a package says it is, in SPDX's words where it has none of its own."""

from importlib.metadata import Distribution
from typing import Final

_CLASSIFIER: Final = "License :: OSI Approved :: "
#: What packages write, in small letters, as SPDX writes it. "BSD" alone names no number of clauses.
_SPELLINGS: Final = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd license": "BSD",
    "isc license (iscl)": "ISC",
    "isc license": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "python software foundation license": "PSF-2.0",
}
#: Packages whose metadata say nothing, as their licence files read.
_READ: Final = {"axe-playwright-python": "MIT"}
#: What production may be under. Each asks to keep its notice; LGPL and MPL ask whoever changes
#: the package itself to publish the change.
ACCEPTED: Final = frozenset(
    {
        *("Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC"),
        *("MIT", "MIT-0", "PSF-2.0", "LGPL-3.0-only", "MPL-2.0"),
    }
)


def read_licence(name: str, distribution: Distribution) -> str:
    """Return the licence of an installed package, "" where nothing tells it."""
    told = distribution.metadata
    if "License-Expression" in told:
        return told["License-Expression"]
    classifiers = [
        spell_licence(each.removeprefix(_CLASSIFIER))
        for each in told.get_all("Classifier") or ()
        if each.startswith(_CLASSIFIER)
    ]
    # A text of several lines is the licence itself.
    text = told["License"].strip() if "License" in told else ""
    written = spell_licence(text) if text and len(text.splitlines()) == 1 else ""
    if written in ACCEPTED and written != "BSD":
        return written
    return " AND ".join(sorted(classifiers)) or written or _READ.get(name, "")


def spell_licence(text: str) -> str:
    """Return a licence's name as SPDX spells it, where we know its spelling."""
    return _SPELLINGS.get(text.lower(), text)


def is_accepted(licence: str) -> bool:
    """Return whether production may have a package under this licence."""
    # Of alternatives one is enough; what is joined by AND holds together.
    return any(
        all(part in ACCEPTED for part in choice.split(" AND "))
        for choice in licence.split(" OR ")
    )
