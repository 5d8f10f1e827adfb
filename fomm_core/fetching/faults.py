"""What a failed request means, in words for the user."""

from __future__ import annotations

import re

from ..wording import setting

_STATUS = re.compile(r"status code: (\d{3})(?: ([A-Za-z -]+))?")
BY_HAND = f"A file downloaded in another way, such as with a browser, can be given as {setting('file')}."


def is_fault(problem: BaseException) -> bool:
    """Whether an error is the server's or the network's, rather than this machine's or a defect."""
    from obstore.exceptions import BaseError

    return isinstance(problem, BaseError) or (isinstance(problem, FileNotFoundError) and problem.errno is None)


def is_beyond_end(problem: BaseException) -> bool:
    """Whether the server was asked for bytes behind what it has."""
    status = _STATUS.search(str(problem))
    return status is not None and status[1] == "416"


def explained(problem: BaseException, url: str) -> str:
    """A sentence or two for an error of which `is_fault` is true."""
    text = str(problem)
    status = _STATUS.search(text)
    if status and status[1] in ("404", "410"):
        return f"expected a file at {url}; the server has none there ({status[1]})."
    if status and status[1] == "416":
        return f"expected as many bytes from {url} as the server says; it sends fewer. {BY_HAND}"
    if status:
        return f"expected a file from {url}; the server answers {status[1]} {(status[2] or '').strip()}".rstrip() + "."
    if "Content-Length" in text:
        return f"expected a file of a known size at {url}; the server does not say how large it is. {BY_HAND}"
    if "Timeout" in text or "timed out" in text:
        return f"expected an answer from {url}; the server is silent. Try again later: what is there is kept."
    if "kind: Connect" in text or "error sending request" in text:
        return f"expected an answer from {url}; there is no connection. Check the network, or the proxy's settings."
    if "builder error" in text:
        return f"expected to be able to ask for {url}; its address leads to one without encryption, or is none."
    first = (text.strip() or type(problem).__name__).splitlines()[0][:200]
    return f"expected all of {url}; the connection broke off ({first}). Try again: what is there is kept."
