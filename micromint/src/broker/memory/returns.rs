//! Crediting returned coins (thesis 3.4.1, "Returning Coins").
//!
//! Input: a client's return. Output: a verdict for each ball. The invariants: only the owner can
//! return a ball, and a return that is sent again is the same return.

use sha2::{Digest, Sha256};

use super::MemoryBroker;
use super::records::{DIGEST_SIZE, RecordedReturn};
use crate::broker::{
    Claim, ReturnFacts, ReturnRefusal, Sold, decide_return, examine_return, return_refusal,
    returned_bins,
};
use crate::coin_file::CoinFileError;
use crate::identity::UserId;
use crate::protocol::{FundsCredited, RequestCredit, SendExpired, Unsigned, Url, Verdict};
use crate::reply::Reply;
use crate::time::UnixTime;

impl MemoryBroker {
    /// Records a return and answers it. `transaction` is the broker's number for it: a new random
    /// number.
    ///
    /// # Errors
    /// The coin file cannot be read.
    pub fn take_back(
        &mut self,
        request: &RequestCredit,
        transaction: u64,
        now: UnixTime,
    ) -> Result<Reply<FundsCredited, ReturnRefusal>, CoinFileError> {
        let data = request.data();
        let digest: [u8; DIGEST_SIZE] = Sha256::digest(&data).into();
        let refusal = self.message_refusal(request, &data);
        if let Some(refusal) = refusal {
            return Ok(Reply::Refused(refusal));
        }
        if let Some(known) = self.known_return(request, &digest, now) {
            return Ok(known);
        }
        let examined = examine_return(&self.rules, &self.coin_file, &self.ledger, request)?;
        let paid = self.are_paid(&returned_bins(&examined));
        let claims = decide_return(&examined, self.ledger.buyer(&request.user), paid);
        let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count() as u32;
        let (waiting, forged) = (count(Verdict::Waiting), count(Verdict::Forged));
        let not_from_owner = count(Verdict::NotFromOwner);
        let answer = self.credited(request, transaction, &claims);
        let claims = self.add_claims(claims);
        self.ledger.add_return(RecordedReturn {
            when: now,
            transaction,
            user: request.user.clone(),
            request: request.request.clone(),
            digest,
            claims,
            waiting,
            forged,
            not_from_owner,
        });
        Ok(Reply::Granted(answer))
    }

    /// The answer to a return that was made before or is refused.
    fn known_return(
        &self,
        request: &RequestCredit,
        digest: &[u8; DIGEST_SIZE],
        now: UnixTime,
    ) -> Option<Reply<FundsCredited, ReturnRefusal>> {
        let Some(known) = self.ledger.return_of(&request.user, &request.request) else {
            return self.new_return_refusal(request, now).map(Reply::Refused);
        };
        if known.digest != *digest {
            let (user, request) = (request.user.clone(), request.request.clone());
            return Some(Reply::Refused(ReturnRefusal::OtherContent { user, request }));
        }
        let claims = self.claims_today(&known.claims);
        Some(Reply::Granted(self.credited(request, known.transaction, &claims)))
    }

    /// The invitation to send returns to `return_url`; `None` before the expiration.
    pub fn send_expired(
        &self,
        user: &UserId,
        return_url: Url,
        now: UnixTime,
    ) -> Option<SendExpired> {
        let period = self.params().period().clone();
        (now >= self.params().raw().expiration).then(|| SendExpired {
            user: user.clone(),
            period,
            return_url,
        })
    }

    /// Why the return is refused, as far as that depends on the message alone.
    fn message_refusal(&self, request: &RequestCredit, data: &[u8]) -> Option<ReturnRefusal> {
        let expected = self.params().period();
        if request.period != *expected {
            let (expected, found) = (expected.clone(), request.period.clone());
            return Some(ReturnRefusal::OtherPeriod { expected, found });
        }
        let key = self.secret.user_key(expected, &request.user);
        if key.request_credit(request.request.as_str(), data) != request.authenticator {
            return Some(ReturnRefusal::WrongAuthenticator { user: request.user.clone() });
        }
        None
    }

    /// Why a return that was not made before is refused now.
    fn new_return_refusal(&self, request: &RequestCredit, now: UnixTime) -> Option<ReturnRefusal> {
        let sales = self.ledger.sales.values().filter(|sale| sale.user == request.user);
        let returns = self.ledger.returns.iter().filter(|back| back.user == request.user);
        let facts = ReturnFacts {
            sets: sales.map(|sale| u64::from(sale.sets)).sum(),
            returns: returns.count(),
            is_settled: self.ledger.settlement.is_some(),
        };
        return_refusal(self.params(), request, facts, now)
    }

    /// The answer to a return of whose authenticator `message_refusal` approved.
    fn credited(
        &self,
        request: &RequestCredit,
        transaction: u64,
        claims: &[Claim],
    ) -> FundsCredited {
        let (user, period) = (request.user.clone(), request.period.clone());
        let key = self.secret.user_key(&period, &user);
        FundsCredited {
            user,
            period,
            request: request.request.clone(),
            transaction,
            authenticator: Unsigned,
            verdicts: claims.iter().map(|claim| claim.verdict).collect(),
        }
        .authenticated(&key, request)
    }
}
