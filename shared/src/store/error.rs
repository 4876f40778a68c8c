//! How a call to the store can fail. It knows no status: [`http::error`](crate::http::error) maps the errors.

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};

use crate::model::{
    field::{Detail, Problem},
    id::{ApplicationId, CandidateId, StageId},
    page::InvalidCursor,
};

/// Why a call failed, other than because of its condition.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A timeout, no connection, throttling, or a fault in DynamoDB. A retry may help.
    #[error("DynamoDB is not available: {0}")]
    Unavailable(String),
    /// DynamoDB found the request invalid or unauthorized: a fault on our side.
    #[error("DynamoDB rejected the request: {0}")]
    Rejected(String),
    /// An item does not have its record's form. The text says where, not what, because the content is a tenant's.
    #[error("an item can't be read or written: {0}")]
    Unreadable(&'static str),
}

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The cursor does not belong to the list.
    #[error(transparent)]
    InvalidCursor(#[from] InvalidCursor),
    /// A field refers to an object that does not exist.
    #[error("{}", .0.message)]
    InvalidField(Detail),
    /// Another candidate of the organization has this email address.
    #[error("another candidate has this e-mail")]
    EmailTaken {
        /// Who has it.
        existing_id: CandidateId,
    },
    /// The candidate has already applied to this job.
    #[error("the candidate has applied to this job before")]
    AlreadyApplied {
        /// The existing application.
        existing_id: ApplicationId,
    },
    /// The job is not open.
    #[error("the job is not open")]
    JobNotOpen,
    /// The candidate is not at the move's `fromStageId`.
    #[error("the candidate is at another stage")]
    StageConflict {
        /// The candidate's stage.
        current_stage_id: StageId,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The object that an earlier request with the same idempotency key has written was erased.
    #[error("the object was erased")]
    Erased,
    /// There is more to do than one request can, and the same request continues.
    #[error("the erasure is not finished")]
    Unfinished,
    /// The object is not at a version that `If-Match` names, or it kept changing during the update.
    #[error("the object is at another version")]
    VersionConflict {
        /// The object's version. `None`: it kept changing.
        current: Option<u64>,
    },
}

impl StoreError {
    /// The error about a field that refers to an object that does not exist. `message` is a whole sentence.
    pub(crate) fn no_such(field: &str, message: String) -> Self {
        Self::InvalidField(Detail { field: field.to_owned(), code: Problem::NotFound, message })
    }
}

/// The built part of a request, or `Rejected` if it lacks something that the SDK requires.
pub(crate) fn built<T>(part: Result<T, BuildError>) -> Result<T, DbError> {
    part.map_err(|error| DbError::Rejected(error.to_string()))
}

/// Maps the SDK's errors to ours. DynamoDB's own messages name expressions and tables, not a tenant's values.
pub(crate) fn failure<E: ProvideErrorMetadata>(error: &SdkError<E>) -> DbError {
    match error {
        SdkError::TimeoutError(_) => DbError::Unavailable("no response in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            DbError::Unavailable("no connection in time".to_owned())
        }
        SdkError::DispatchFailure(failure) => {
            let reason = failure.as_connector_error().map(|error| chain(error)).unwrap_or_default();
            DbError::Unavailable(format!("no connection: {reason}"))
        }
        SdkError::ResponseError(_) => DbError::Unavailable("no readable response".to_owned()),
        // The SDK can't parse it.
        SdkError::ServiceError(service) if service.raw().status().is_success() => {
            DbError::Unavailable("no readable response".to_owned())
        }
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("no code");
            let told = format!("{code}: {}", service.err().message().unwrap_or("no message"));
            let passing = matches!(
                code,
                "ThrottlingException"
                    | "ProvisionedThroughputExceededException"
                    | "RequestLimitExceeded"
                    | "InternalServerError"
                    | "TransactionConflictException"
                    | "TransactionInProgressException"
            );
            if passing || service.raw().status().is_server_error() {
                DbError::Unavailable(told)
            } else {
                DbError::Rejected(told)
            }
        }
        _ => DbError::Rejected("the request could not be built".to_owned()),
    }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut told: Vec<String> = causes.map(ToString::to_string).collect();
    told.dedup();
    told.join(": ").replace('\n', " ")
}
