//! What a member may do in an organization's settings. It knows no page.

use serde::{Deserialize, Serialize};

use crate::model::closed_set::closed_set;

closed_set! {
    /// What a member may do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    Role {
        /// Makes, rotates and revokes keys.
        Admin = "admin",
        /// Looks.
        Member = "member",
    }
}
