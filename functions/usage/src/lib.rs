//! `/api/v1/usage`: what a key may do, and how much of its limits is used. It decides nothing, and knows no table.

use shared::{
    contract::operation::Doc,
    http::{envelope::Data, error::ApiError, holder::Holder, route::Routes},
    store::usage::Usage,
};

/// The routes of this function.
#[must_use]
pub fn router() -> Routes {
    Routes::new().get(
        "/api/v1/usage",
        get,
        Doc::new("getUsage", "Get a key's usage").about(
            "Usage of the calling key. Counts toward neither the rate limit nor the quota, but has a limit of its own: 60 requests a \
             minute.",
        ),
    )
}

/// `GET /api/v1/usage`: the usage of the calling key.
async fn get(Holder { usage }: Holder) -> Result<Data<Usage>, ApiError> {
    Ok(Data(usage))
}
