//! Passwords: Argon2id, on threads of their own, few at a time.
//!
//! Input: a password. Output: its hash, or whether it is right. The invariants: a name that does
//! not exist takes as long as one that does; at most a bounded number of people wait.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OnceCell, Semaphore};

use super::answer::{Refused, refuse};
use super::random;
use crate::service::{ServiceError, blocking};

/// The shortest password, in characters.
pub(super) const PASSWORD_LEN_MIN: usize = 10;
/// The longest password, in bytes.
pub(super) const PASSWORD_LEN_MAX: usize = 200;
/// How many passwords are hashed at a time, each with 19 MiB.
const AT_A_TIME: usize = 2;
/// How many people wait at most.
const WAITING_MAX: usize = 64;

/// The memory for a hash, in KiB.
pub(super) const MEMORY_KIB: u32 = 19 * 1024;
/// How often a hash goes through it.
const PASSES: u32 = 2;

/// Hashes passwords.
pub(super) struct Passwords {
    memory_kib: u32,
    /// Those who wait and those who are served.
    places: Semaphore,
    turns: Semaphore,
    /// A hash of a password that nobody knows.
    nobody: OnceCell<String>,
}

impl Passwords {
    /// With this memory for each hash.
    pub(super) fn new(memory_kib: u32) -> Passwords {
        Passwords {
            memory_kib,
            places: Semaphore::new(WAITING_MAX),
            turns: Semaphore::new(AT_A_TIME),
            nobody: OnceCell::new(),
        }
    }
}

/// Whether a new password is good enough.
pub(super) fn check_new(password: &str, user: &str) -> Result<(), Refused> {
    let first = password.chars().next();
    let is_short = password.chars().count() < PASSWORD_LEN_MIN;
    let is_plain = password.chars().all(|c| Some(c) == first) || password.contains(user);
    if is_short || is_plain || password.len() > PASSWORD_LEN_MAX {
        let refused = refuse("error-password-weak").with("least", PASSWORD_LEN_MIN);
        return Err(refused.with("most", PASSWORD_LEN_MAX));
    }
    Ok(())
}

impl Passwords {
    /// The hash of a password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Refused> {
        let salt: [u8; 16] = random::bytes()?;
        let failed = |_| ServiceError::GivenUp("a password could not be hashed");
        let cost = Params::new(self.memory_kib, PASSES, 1, None).map_err(failed)?;
        let password = password.to_string();
        let hash = self.turn(move || {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost);
            let hash = argon2.hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash: PasswordHash| hash.to_string()).ok()
        });
        let failed = || ServiceError::GivenUp("a password could not be hashed");
        Ok(hash.await?.ok_or_else(failed)?)
    }

    /// Whether a password is right. Without a hash it is wrong, after the same time.
    pub(super) async fn is_right(
        &self,
        password: &str,
        hash: Option<String>,
    ) -> Result<bool, Refused> {
        let exists = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.nobody.get_or_try_init(|| self.hash("nobody has it")).await?.clone(),
        };
        let password = password.to_string();
        let is_right = self.turn(move || {
            let Ok(hash) = PasswordHash::new(&hash) else { return false };
            password.len() <= PASSWORD_LEN_MAX
                && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        });
        Ok(is_right.await? && exists)
    }

    async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let busy = |_| refuse("error-busy");
        let _place = self.places.try_acquire().map_err(busy)?;
        let _turn = self.turns.acquire().await.map_err(|_| refuse("error-busy"))?;
        Ok(blocking(work).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_for_its_hash_only() {
        let passwords = Passwords::new(MEMORY_KIB);
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("correct horse").await.unwrap());
        assert!(passwords.is_right("correct horse", Some(hash.clone())).await.unwrap());
        assert!(!passwords.is_right("correct hors", Some(hash.clone())).await.unwrap());
        assert!(!passwords.is_right("nobody has it", None).await.unwrap());
        assert!(!passwords.is_right("correct horse", Some("x".to_string())).await.unwrap());
    }

    #[test]
    fn weak_passwords_are_refused() {
        assert!(check_new("0123456789", "alice").is_ok());
        assert!(check_new(&"ab".repeat(100), "alice").is_ok());
        for weak in ["012345678", "aaaaaaaaaaaa", "alice12345", &"ab".repeat(101), ""] {
            assert!(check_new(weak, "alice").is_err(), "{weak}");
        }
    }
}
