//! Shared code of `mmwallet` and `printwallet`: the location of the wallet, the settings, the
//! network, and the output. All decisions about coins are made in [`micromint::wallet`].

pub mod exit;

pub mod wallet_file;

pub mod limits;

pub mod settings;

pub mod show;

pub mod net;

pub mod login;

pub mod get;

mod consent;

mod pay;

pub mod broker;

pub mod buy;

pub mod account;

pub mod answer;

pub mod mcp;

pub mod transfer;

pub mod view;
