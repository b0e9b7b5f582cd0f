"""Base of the typed views of custom resources."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class View(BaseModel):
    """Base of the views: camelCase outside, unknown fields ignored, the CRD's defaults repeated for old objects."""

    model_config = ConfigDict(
        defer_build=True, alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )
