//! The commands about logins and API keys.

use clap::Args;
use micromint::host::SystemEntropy;
use micromint::identity::UserId;
use micromint_console::{EXIT_OK, ToolError, print_text, say, tell};
use mmbrokerd::http::create_key;
use mmbrokerd::service::Service;
use mmbrokerd::shop::{Role, count_passkeys, set_person};
use mmbrokerd::store::CONSOLE;

#[derive(Args)]
pub(crate) struct SetPerson {
    /// The User-ID, which is also the name for the login
    user: UserId,
    /// What the person may do: none, support (read), money (also vouchers, payouts and disputes),
    /// admin (everything)
    #[arg(long, value_name = "ROLE", default_value = "none")]
    role: Role,
}

#[derive(Args)]
pub(crate) struct MakeKey {
    /// The User-ID
    user: UserId,
}

#[derive(Args)]
pub(crate) struct EndKeys {
    /// The User-ID
    user: UserId,
}

impl SetPerson {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let password = set_person(service, &self.user, self.role).await?;
        print_text(&format!("{password}\n"));
        tell!("mmbroker: the password of {}; it is not shown again", self.user);
        let passkeys = count_passkeys(service.store(), &self.user).await?;
        if passkeys > 0 {
            tell!(
                "mmbroker: {passkeys} passkeys log in as {} too; the person removes them on the \
                 page of the account",
                self.user
            );
        }
        Ok(EXIT_OK)
    }
}

impl MakeKey {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let key = create_key(service, (CONSOLE, &self.user), &SystemEntropy).await?;
        print_text(&format!("{key}\n"));
        tell!(
            "mmbroker: whoever has this key buys with the money of {}; it is not shown again",
            self.user
        );
        Ok(EXIT_OK)
    }
}

impl EndKeys {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let ended = service.store().end_api_keys(CONSOLE, &self.user, service.now()).await?;
        say!("ended {ended} keys of {}", self.user);
        Ok(EXIT_OK)
    }
}
