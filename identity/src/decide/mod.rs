//! What can happen to users, sessions and keys: one command a file, each with a pure decision function. Passwords are
//! hashed and compared before a command, never in it.

mod change_password;
mod create_key;
mod forget_revoked;
mod log_in;
mod log_out;
mod opened;
mod refresh;
mod register;
mod request_reset;
mod reset_password;
mod revoke;
mod revoke_key;
mod rotate_keys;
mod set_password;
mod set_roles;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use self::{
    change_password::ChangePassword,
    create_key::CreateKey,
    forget_revoked::ForgetRevoked,
    log_in::LogIn,
    log_out::{LogOut, Which},
    opened::Opened,
    refresh::{Refresh, Refreshed},
    register::Register,
    request_reset::RequestReset,
    reset_password::ResetPassword,
    revoke_key::RevokeKey,
    rotate_keys::RotateKeys,
    set_roles::SetRoles,
    verify::Verify,
};
