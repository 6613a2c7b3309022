"""Client of cogflow's gateway: jobs, uploads and search."""

from .async_client import AsyncClient
from .client import Client
from .errors import (
    APIError,
    AuthenticationError,
    BudgetError,
    ChecksumError,
    CogflowError,
    ConnectionFailedError,
    InvalidRequestError,
    InvalidResponseError,
    JobCanceledError,
    JobError,
    JobFailedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    WaitTimeoutError,
)
from .job import AsyncJob, Job
from .status import Failure, JobStatus, Started, State, Step, Uploaded

__all__ = [
    "APIError",
    "AsyncClient",
    "AsyncJob",
    "AuthenticationError",
    "BudgetError",
    "ChecksumError",
    "Client",
    "CogflowError",
    "ConnectionFailedError",
    "Failure",
    "InvalidRequestError",
    "InvalidResponseError",
    "Job",
    "JobCanceledError",
    "JobError",
    "JobFailedError",
    "JobStatus",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "Started",
    "State",
    "Step",
    "Uploaded",
    "WaitTimeoutError",
]
