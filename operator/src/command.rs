//! The list of commands.

use clap::Subcommand;

use crate::{
    doctor::Doctor, erasure::ErasureCommand, key::KeyCommand, member::MemberCommand, organization::OrganizationCommand,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Manage organizations and their plans.
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// Manage an organization's API keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Manage the people who can sign in to an organization's settings.
    #[command(subcommand)]
    Member(MemberCommand),
    /// List the erasures of candidates, finish pending ones, and repeat them after a restore.
    #[command(subcommand)]
    Erasure(ErasureCommand),
    /// Check a deployment: tables, recovery, alarm topic and OpenID issuer.
    Doctor(Doctor),
}
