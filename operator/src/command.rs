//! The commands there are.

use clap::Subcommand;

use crate::{doctor::Doctor, key::KeyCommand, member::MemberCommand, organization::OrganizationCommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Organizations and their plans.
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// An organization's keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// People who may sign in to an organization's settings.
    #[command(subcommand)]
    Member(MemberCommand),
    /// Check a deployment: tables, recovery, the alarms' topic, the sign-in's issuer.
    Doctor(Doctor),
}
