"""The process that decodes files of strangers: what breaks or hangs it ends it, and nothing else.

``python -m core.images.isolated.worker BUDGET`` answers requests on its standard input (see ``messages``) until
that is closed. Its memory and its time have an end for each request, and whatever the decoders print is dropped.
"""

from __future__ import annotations

import faulthandler
import io
import json
import math
import os
import sys
import time
import warnings

import cv2
import PIL.Image

from core.errors import ImageError, InputError
from core.images.isolated.messages import Budget, Message, receive, send
from core.images.isolated.operations import OPERATIONS


def main() -> None:
    """Serve until the other side closes."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # libtiff and libpng print to what they take for a person's terminal
        os.dup2(silence, stream)
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    budget = Budget(**json.loads(sys.argv[1]))
    _limit_memory(budget.memory)
    while (request := receive(requests)) is not None:
        send(answers, _answer(request, budget, silence))


def _answer(request: Message, budget: Budget, nowhere: int) -> Message:
    """What the operation gives, or the line of its error."""
    _limit_time(budget.seconds, budget.patience, nowhere)
    try:
        data, name = request.blobs[0], str(request.fields["name"])
        _limit_time(budget.seconds + budget.per_megapixel * _megapixels(data), budget.patience, nowhere)
        return OPERATIONS[str(request.fields["operation"])](data, name, request.fields)
    except InputError as error:
        return Message({"error": str(error), "image": isinstance(error, ImageError)})
    except MemoryError:
        return Message({"memory": True})
    except cv2.error as error:
        memory = "Insufficient memory" in str(error) or "Failed to allocate" in str(error)
        return Message({"memory": True} if memory else {"unexpected": f"cv2.error: {error}"})
    except Exception as error:  # the process goes on: the other side tells a person
        return Message({"unexpected": f"{type(error).__name__}: {error}"})
    finally:
        faulthandler.cancel_dump_traceback_later()


def _megapixels(data: bytes) -> float:
    """The size that a file's header claims, in megapixels; 0 where Pillow knows none."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            return image.width * image.height / 1e6
    except Exception:  # a decoder may raise anything; the operation will say what is wrong
        return 0.0


def _limit_time(seconds: float, patience: float, nowhere: int) -> None:
    """End this process once it has computed for ``seconds`` more, or has been at it for much longer."""
    # This watchdog is a thread of C, which ends the process even where a decoder never lets Python run.
    faulthandler.dump_traceback_later(patience * seconds, exit=True, file=nowhere)
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds), hard))


def _limit_memory(most: int) -> None:
    """Let this process take ``most`` bytes beside those that it has now, or what it was allowed if that is less."""
    if sys.platform == "win32":
        return
    import resource

    import psutil

    wanted = psutil.Process().memory_info().vms + most
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    ends = [end for end in (soft, hard, wanted) if end != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(ends), hard))


if __name__ == "__main__":
    main()
