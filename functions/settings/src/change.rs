//! Changes to a key whose outcome can stay unknown: DynamoDB may have applied a change whose response never arrived, and a secret is shown
//! only once. It knows no page.

use shared::http::{deadline, error::ApiError};

use crate::error::{Change, SettingsError};

impl Change {
    /// Makes the change, which has time of its own once it has begun. If its outcome is unknown, the error says so.
    pub(crate) fn make<T, E: Into<SettingsError>>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, SettingsError>> {
        // On the heap: a call to DynamoDB takes much room.
        let work = Box::pin(work);
        async move {
            match deadline::own_time(work).await {
                Ok(done) => done.map_err(|error| match error.into() {
                    SettingsError::Failed(error @ ApiError::Unavailable(_)) => SettingsError::Uncertain(self, error),
                    error => error,
                }),
                Err(late) => Err(SettingsError::Uncertain(self, late)),
            }
        }
    }
}
