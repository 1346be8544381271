//! The commands about logins and API keys.

use std::io::Write;

use clap::Args;
use micromint::host::SystemEntropy;
use micromint::identity::UserId;
use micromint_console::{EXIT_OK, ToolError, say, tell};
use mmbrokerd::http::{give_key, new_key};
use mmbrokerd::programs::counted;
use mmbrokerd::service::Service;
use mmbrokerd::shop::{Role, count_passkeys, give_password, new_password};
use mmbrokerd::store::{CONSOLE, KEYS_MAX, KeyAnswer, KeyMaker};

#[derive(Args)]
pub(crate) struct SetPerson {
    /// The User-ID, which is also the name for the login
    user: UserId,
    /// What the person may do: none, support (read), money (also vouchers, payouts and disputes),
    /// admin (everything). Without it, an account that is open keeps its role, and another gets
    /// none
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
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

/// Refuses what gives power or coins to a closed account.
pub(crate) async fn check_open(service: &Service, user: &UserId) -> Result<(), ToolError> {
    match service.store().is_closed(user).await? {
        true => Err(closed(user).into()),
        false => Ok(()),
    }
}

fn closed(user: &UserId) -> String {
    format!("the account of {user} is closed; `mmbroker person {user}` opens it again")
}

/// Prints a secret, before it counts: a secret that nobody saw must not.
fn print_secret(secret: &str) -> Result<(), ToolError> {
    let mut output = std::io::stdout().lock();
    let written = writeln!(output, "{secret}").and_then(|()| output.flush());
    let failed = |error| format!("cannot write to standard output: {error}; nothing was changed");
    Ok(written.map_err(failed)?)
}

impl SetPerson {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let password = new_password()?;
        print_secret(&password)?;
        let given = give_password(service, &self.user, self.role, &password).await;
        let role = given.inspect_err(|_| tell!("mmbroker: the password above was not set"))?;
        let role = match role {
            Role::None => String::new(),
            role => format!(", an operator with the role {}", role.word()),
        };
        tell!("mmbroker: the password of {}{role}; it is not shown again", self.user);
        let passkeys = count_passkeys(service.store(), &self.user).await?;
        if passkeys > 0 {
            tell!(
                "mmbroker: {} can be used to log in as {} too; the page of the account removes them",
                counted(passkeys as u64, "passkey"),
                self.user
            );
        }
        Ok(EXIT_OK)
    }
}

impl MakeKey {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        check_open(service, &self.user).await?;
        let key = new_key(&SystemEntropy)?;
        print_secret(&key)?;
        let given = give_key(service, (KeyMaker::Console, &self.user), &key).await;
        let given = given.inspect_err(|_| tell!("mmbroker: the key above does not count"))?;
        let why = match given {
            KeyAnswer::Added => None,
            KeyAnswer::Closed => Some(closed(&self.user)),
            KeyAnswer::TooMany | KeyAnswer::Ended | KeyAnswer::SessionOver => Some(format!(
                "{user} has {KEYS_MAX} keys, the most of an account; `mmbroker end-keys {user}` \
                 ends them",
                user = self.user
            )),
        };
        if let Some(why) = why {
            return Err(format!("{why}; the key above does not count").into());
        }
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
        say!("ended {} of {}", counted(ended, "key"), self.user);
        Ok(EXIT_OK)
    }
}
