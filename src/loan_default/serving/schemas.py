"""Status codes and JSON shapes of the scoring API's answers, as sent and as documented."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Literal, Self

from pydantic import Field

from loan_default.model.scoring import MAX_REASONS

Prediction = Annotated[Literal[0, 1], Field(description="1 declined, 0 not")]
Probability = Annotated[float, Field(ge=0, le=1)]


class ErrorStatus(IntEnum):
    """The error statuses of POST /invocations, each with its description."""

    description: str

    def __new__(cls, status: int, description: str) -> Self:
        """Create the member from its HTTP status and description."""
        member = int.__new__(cls, status)
        member._value_, member.description = status, description
        return member

    INVALID = 400, "The request is invalid; the message names the row and the column"
    UNAUTHORIZED = 401, "The API key is missing or wrong"
    TOO_SLOW = 408, "The request took too long to arrive"
    TOO_LARGE = 413, "The request is too large"
    UNSUPPORTED_TYPE = 415, "The content type is not supported"
    NO_MODEL = 503, "No model is in service yet"


@dataclass
class Failure:
    """What is wrong with the request."""

    error_code: str
    message: str


@dataclass
class Full:
    """The prediction for one row with `"params": {"return": "full"}`."""

    default_probability: Probability
    prediction: Prediction
    threshold: Probability
    reasons: Annotated[list[str], Field(max_length=MAX_REASONS)]
    model_version: str
    unknown: Annotated[
        list[str],
        Field(
            description="What was not read: categories with a value not learned from, taken as "
            "missing, and columns with nearly the name of one that is missing"
        ),
    ]
    expected_loss: Annotated[
        float | None, Field(description="Probability x lost share x amount; null if not known")
    ]
    expected_return: Annotated[
        float | None, Field(description="What it earns if repaid, less the expected loss")
    ]


@dataclass
class Predictions:
    """A decision per row, or with `"params": {"return": "full"}` a record per row."""

    predictions: Sequence[Prediction | Full]


@dataclass
class Ready:
    """The state of the server with a model in service."""

    ready: bool
    model_name: str
    alias: str
    model_version: str | None
    passed_gate: bool | None
    registry: Annotated[str, Field(description="up, or the error")]
    refused: Annotated[dict[str, str], Field(description="Rejected versions, each with the reason")]


@dataclass
class NotReady(Ready):
    """The state of the server without a model in service."""

    message: str
