"""Text for the terminal: names of files, messages of errors, and suggestions."""

import difflib
import re
import sys
from collections.abc import Iterable


def escape(text: object) -> str:
    """Escape line breaks, control characters, and characters not in the output encoding."""
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in name_in_unicode(str(text))
    )
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def name_in_unicode(name: str) -> str:
    r"""Replace bytes of a file's name that are not UTF-8 by escapes such as ``\xff``."""
    # Python represents these bytes by lone surrogates, which cannot be encoded.
    return re.sub("[\udc80-\udcff]", lambda match: f"\\x{ord(match[0]) - 0xDC00:x}", name)


def clean_message(message: object) -> str:
    """Clean a message: replace bytes as `name_in_unicode`, remove the number of an OSError."""
    message = re.sub(r"\[(Errno|WinError) \d+\] ", "", name_in_unicode(str(message)))
    return re.sub(r"\\udc([89a-f][0-9a-f])", r"\\x\1", message)  # where a name is quoted


def suggest(value: str, choices: Iterable[str]) -> str:
    """Return a question such as ``". Did you mean train?"``, or nothing if no choice is similar."""
    by_lower_case = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(value.lower(), by_lower_case, n=1)
    return f". Did you mean {by_lower_case[close[0]]}?" if close else ""
