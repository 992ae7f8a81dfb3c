"""Parameters of sharing. They change no result, so no stage is run again for them."""

from typing import Annotated

from pydantic import Field

from veritable.params import Section


class ShareParams(Section):
    """Section `share`: whose run records are used, and how long a remote may be silent."""

    trusted: list[Annotated[str, Field(min_length=1)]]
    time_limit: Annotated[int, Field(ge=1)]
