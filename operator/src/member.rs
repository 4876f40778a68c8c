//! The commands for the people who may sign in to an organization's settings.

use clap::Subcommand;
use shared::{
    model::{role::Role, value::Email},
    store::member::{self, AddMemberError, Member},
};

use crate::{
    desk::{Desk, each, find},
    error::CommandError,
    output::{Output, Row},
};

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Allow a person to sign in to the organization's settings.
    Add {
        /// ID of the organization.
        organization: String,
        /// Email address, as verified by the OpenID issuer.
        email: String,
        /// Role: admin (creates, rotates and revokes keys) or member (read-only).
        #[arg(long)]
        role: String,
    },
    /// List an organization's members by email.
    List {
        /// ID of the organization.
        organization: String,
    },
    /// Change a member's role, effective from the next request.
    SetRole {
        /// ID of the organization.
        organization: String,
        /// Email address of the member.
        email: String,
        /// Role: admin (creates, rotates and revokes keys) or member (read-only).
        role: String,
    },
    /// Remove a person's access and end all their sessions, effective from the next request.
    Remove {
        /// ID of the organization.
        organization: String,
        /// Email address of the member.
        email: String,
    },
}

impl MemberCommand {
    pub(crate) async fn run(self, desk: &Desk, output: &mut Output) -> Result<(), CommandError> {
        let Desk { db, clock, caller } = desk;
        match self {
            Self::Add { organization, email, role } => {
                let (email, role) = (parsed_email(&email)?, Role::named(&role).ok_or(CommandError::UnknownRole(role))?);
                let organization = find(db, clock, &organization).await?;
                let actor = caller.actor().await?;
                match member::add(db, &organization.id, clock.now(), &email, role, &actor).await {
                    Ok(()) => {}
                    Err(AddMemberError::Taken) => return Err(CommandError::MemberTaken(email.as_str().to_owned())),
                    Err(AddMemberError::UnknownOrganization) => {
                        return Err(CommandError::UnknownOrganization(organization.id.to_string()));
                    }
                    Err(AddMemberError::Db(error)) => return Err(error.into()),
                }
                let message = format!("{} can now sign in to the settings of {}.", email.as_str(), organization.name);
                if output.is_json() {
                    return Ok(output.json(&serde_json::json!({ "email": email.as_str(), "role": role }))?);
                }
                Ok(output.text(&message)?)
            }
            Self::List { organization } => {
                let organization = find(db, clock, &organization).await?;
                let read = async |last: Option<&Member>| member::list(db, &organization.id, last).await;
                each(read, |member| output.row(member)).await
            }
            Self::SetRole { organization, email: text, role } => {
                let (email, role) = (parsed_email(&text)?, Role::named(&role).ok_or(CommandError::UnknownRole(role))?);
                let organization = find(db, clock, &organization).await?;
                let actor = caller.actor().await?;
                if !member::set_role(db, &organization.id, clock.now(), &email, role, &actor).await? {
                    return Err(CommandError::UnknownMember(text));
                }
                if output.is_json() {
                    return Ok(output.json(&serde_json::json!({ "email": text, "role": role }))?);
                }
                let role = role.as_str();
                Ok(output.text(&format!("{text} now has the role {role}."))?)
            }
            Self::Remove { organization, email: text } => {
                let email = parsed_email(&text)?;
                let organization = find(db, clock, &organization).await?;
                let actor = caller.actor().await?;
                if !member::remove(db, &organization.id, clock.now(), &email, &actor).await? {
                    return Err(CommandError::UnknownMember(text));
                }
                if output.is_json() {
                    return Ok(output.json(&serde_json::json!({ "email": text, "removed": true }))?);
                }
                Ok(output.text(&format!("{text} was removed and signed out."))?)
            }
        }
    }
}

fn parsed_email(text: &str) -> Result<Email, CommandError> {
    Email::of_member(text).map_err(|wrong| CommandError::NotAnEmail(text.to_owned(), wrong))
}

impl Row for Member {
    const COLUMNS: &'static [(&'static str, usize)] =
        &[("Email", 40), ("Role", 6), ("Added", 24), ("Last sign-in", 24)];

    fn cells(&self) -> Vec<String> {
        vec![
            self.email.as_str().to_owned(),
            self.role.as_str().to_owned(),
            self.added_at.to_string(),
            self.signed_in_at.map_or("never".to_owned(), |at| at.to_string()),
        ]
    }
}
