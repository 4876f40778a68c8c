//! `/api/v1/usage`: what a key may do, and how much of its limits is used. It counts nothing, and knows no table.

use axum::extract::State;
use shared::{
    contract::operation::Doc,
    http::{app::App, caller::Holder, envelope::Data, error::ApiError, route::Routes},
    store::usage::{self, Usage},
};

/// The routes of this function.
#[must_use]
pub fn router() -> Routes {
    Routes::new().get(
        "/api/v1/usage",
        get,
        Doc::new("getUsage", "Get a key's usage").about("Usage of the calling key. Doesn't count toward the quota."),
    )
}

/// `GET /api/v1/usage`: the usage of the calling key.
async fn get(holder: Holder, State(app): State<App>) -> Result<Data<Usage>, ApiError> {
    let Holder { key, organization, burst, month } = holder;
    Ok(Data(usage::read(&app.db, key, organization, burst, month, app.clock.now()).await?))
}
