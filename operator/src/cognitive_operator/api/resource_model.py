"""Base class of the custom resources' models."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ResourceModel(BaseModel):
    """Base class: camelCase aliases, unknown fields ignored. Defaults repeat those of the CRD, for older objects."""

    model_config = ConfigDict(
        defer_build=True, alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )
