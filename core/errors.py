"""Every error a person can cause, in one tree.

    FlawsmithError
    ├── InputError            a value given by a person is wrong: say what to do
    │   ├── ImageError        a file is not a usable photo
    │   └── MaskError         a mask does not fit its photo, or is empty
    ├── NotFound              a project, photo, region, sample or engine that is not there
    ├── Unavailable           a library or a weight file is missing on this machine
    ├── StoreError            the project folder cannot be read or written
    │   └── NewerFormat       a newer Flawsmith wrote it: update, nothing is broken
    ├── ExportError           a dataset cannot be written as asked
    └── Cancelled             the person stopped the work; nothing is wrong

A message is one line: what was expected, what came, what to do. The CLI prints it after
``error:`` and exits 2; the app shows it as a notice. Anything outside this tree is a bug.
"""

LONGEST_LINE = 1000
"""Characters of a message; of a longer one, which quotes something endless, the middle is left out."""


class FlawsmithError(Exception):
    """Base of the tree; ``str(error)`` is the line a person reads.

    What it quotes may hold anything: control characters and line breaks are escaped, since terminals obey them.
    """

    def __str__(self) -> str:
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in super().__str__())
        if len(line) <= LONGEST_LINE:
            return line
        return f"{line[: LONGEST_LINE - 305]} ... {line[-300:]}"


class InputError(FlawsmithError, ValueError):
    """A value given by a person is wrong."""


class ImageError(InputError):
    """A file or an array is not a usable photo."""


class MaskError(InputError):
    """A mask does not fit its photo, or holds nothing."""


class NotFound(FlawsmithError, LookupError):
    """What was asked for by name or id does not exist."""


class Unavailable(FlawsmithError, RuntimeError):
    """A library or a weight file is missing; the message says how to get it."""


class StoreError(FlawsmithError, RuntimeError):
    """The project folder cannot be read or written."""


class NewerFormat(StoreError):
    """What is stored was written by a newer Flawsmith. It is not broken: whoever reads it leaves it alone."""


class ExportError(FlawsmithError, RuntimeError):
    """A dataset cannot be written as asked."""


class Cancelled(FlawsmithError):
    """The person stopped the work."""
