//! What `mmwallet` and `printwallet` share: where the wallet is, the settings, the network, and how
//! things are shown. Everything that decides about coins is in [`micromint::wallet`].

pub mod exit;

pub mod place;

pub mod settings;

pub mod show;

pub mod net;

pub mod get;

pub mod broker;
