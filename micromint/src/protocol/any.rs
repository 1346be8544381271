//! A message whose type is not known in advance.

use super::{
    Frame, FundsCredited, FundsWithdrawn, InvalidPayment, MessageError, OwnersSold, Payment,
    RedemptionResult, RequestCredit, RequestOwners, RequestPayment, RequestRedemption,
    RequestWatch, SendExpired, WatchResult,
};

macro_rules! messages {
    ($($type:ident = $name:literal,)*) => {
        /// A message of any type.
        ///
        /// ```
        /// use micromint::protocol::{Message, SendExpired};
        ///
        /// let invitation = SendExpired {
        ///     user: "alice".parse()?,
        ///     period: "2026-12".parse()?,
        ///     return_url: "https://broker.example/return".parse()?,
        /// };
        /// let message = Message::parse(&invitation.to_bytes())?;
        /// assert_eq!(message, Message::SendExpired(invitation));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            $(#[doc = concat!("A ", $name, ".")] $type($type),)*
        }

        impl Message {
            /// Parses a message of any type, within the bounds of its type.
            ///
            /// # Errors
            /// The text is not a message, or its type does not exist.
            pub fn parse(text: &[u8]) -> Result<Message, MessageError> {
                match type_of(text) {
                    $(Some($name) => $type::parse(text).map(Message::$type),)*
                    _ => Err(wrong_type(text)),
                }
            }

            /// Prints the message.
            pub fn to_bytes(&self) -> Vec<u8> {
                match self {
                    $(Message::$type(message) => message.to_bytes(),)*
                }
            }
        }
    };
}

messages! {
    FundsWithdrawn = "Funds-Withdrawn",
    SendExpired = "Send-Expired",
    RequestCredit = "Request-Credit",
    RequestPayment = "Request-Payment",
    Payment = "Payment",
    InvalidPayment = "Invalid-Payment",
    RequestRedemption = "Request-Redemption",
    RedemptionResult = "Redemption-Result",
    FundsCredited = "Funds-Credited",
    RequestOwners = "Request-Owners",
    OwnersSold = "Owners-Sold",
    RequestWatch = "Request-Watch",
    WatchResult = "Watch-Result",
}

/// The second line, which contains the type; `None` if there is none.
fn type_of(text: &[u8]) -> Option<&str> {
    let line = text.split(|byte| *byte == b'\n').nth(1)?;
    std::str::from_utf8(line).ok().map(|line| line.strip_suffix('\r').unwrap_or(line))
}

/// Why a message of no known type is invalid: its form, or its type.
fn wrong_type(text: &[u8]) -> MessageError {
    // No type is known, so the bound is that of the smallest messages.
    match Frame::parse(text, super::PAYMENT_SIZE_MAX) {
        Err(error) => error,
        Ok(frame) => MessageError::WrongType {
            expected: "MicroMint",
            found: frame.message_type().to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_found_and_others_are_refused() {
        let text = SendExpired {
            user: "alice".parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            return_url: "https://broker.example/".parse().unwrap(),
        }
        .to_bytes();
        let message = Message::parse(&text).unwrap();
        assert!(matches!(message, Message::SendExpired(_)));
        assert_eq!(message.to_bytes(), text);
        let other = b"MicroMint-1.0\nOther\nEnd-MicroMint\n";
        assert!(matches!(Message::parse(other), Err(MessageError::WrongType { .. })));
        assert!(matches!(Message::parse(b""), Err(MessageError::Line { line: 1, .. })));
    }
}
