//! What the operator does about people on the command line.

use clap::Args;
use micromint::identity::UserId;
use micromint_console::{EXIT_OK, ToolError, print_text, tell};
use mmbrokerd::service::Service;
use mmbrokerd::shop::{Role, count_passkeys, set_person};

#[derive(Args)]
pub(crate) struct SetPerson {
    /// The User-ID, which is also the name for the login
    user: UserId,
    /// What the person may do: none, support (read), money (also vouchers, payouts and disputes),
    /// admin (everything)
    #[arg(long, value_name = "ROLE", default_value = "none")]
    role: Role,
}

impl SetPerson {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let password = set_person(service, &self.user, self.role).await?;
        print_text(&format!("{password}\n"));
        tell!("mmbrokerd: the password of {}; it is not shown again", self.user);
        let passkeys = count_passkeys(service.store(), &self.user).await?;
        if passkeys > 0 {
            tell!(
                "mmbrokerd: {passkeys} passkeys log in as {} too; the person removes them on the \
                 page of the account",
                self.user
            );
        }
        Ok(EXIT_OK)
    }
}
