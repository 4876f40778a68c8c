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
    /// Let a person sign in to the organization's settings.
    Add {
        /// The organization's id.
        organization: String,
        /// The e-mail, as the issuer of the sign-in has verified it.
        email: String,
        /// admin: makes, rotates and revokes keys; member: looks.
        #[arg(long)]
        role: String,
    },
    /// List an organization's members by e-mail.
    List {
        /// The organization's id.
        organization: String,
    },
    /// Give a member another role, from the next request on.
    SetRole {
        /// The organization's id.
        organization: String,
        /// The e-mail.
        email: String,
        /// admin: makes, rotates and revokes keys; member: looks.
        role: String,
    },
    /// Take a person's access away, with all sessions, from the next request on.
    Remove {
        /// The organization's id.
        organization: String,
        /// The e-mail.
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
                let told = format!("{} may sign in to the settings of {}.", email.as_str(), organization.name);
                if output.is_json() {
                    return Ok(output.json(&serde_json::json!({ "email": email.as_str(), "role": role }))?);
                }
                Ok(output.text(&told)?)
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
                Ok(output.text(&format!("{text} has the role {role} from the next request on."))?)
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
                Ok(output.text(&format!("{text} is signed out, and may not sign in again."))?)
            }
        }
    }
}

fn parsed_email(text: &str) -> Result<Email, CommandError> {
    Email::of_member(text).map_err(|wrong| CommandError::NotAnEmail(text.to_owned(), wrong))
}

impl Row for Member {
    const COLUMNS: &'static [(&'static str, usize)] =
        &[("E-mail", 40), ("Role", 6), ("Added", 24), ("Last sign-in", 24)];

    fn cells(&self) -> Vec<String> {
        vec![
            self.email.as_str().to_owned(),
            self.role.as_str().to_owned(),
            self.added_at.to_string(),
            self.signed_in_at.map_or("never".to_owned(), |at| at.to_string()),
        ]
    }
}
