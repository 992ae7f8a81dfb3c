"""Params of the stage `report`."""

from typing import Annotated

from pydantic import Field

from veritable.params import Section


class ReportParams(Section):
    """Section `report`."""

    reference: Annotated[str, Field(min_length=1)]
    model_card: Annotated[str, Field(min_length=1)]
