//! Tells the module which nginx it is compiled for. nginx-sys reads features and version from
//! nginx's own headers.

/// Since this version, nginx marks a terminated request, and its memory outlives its end.
const TERMINATED_SINCE: u32 = 1_025_004;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(nginx_terminated)");
    if std::env::var_os("CARGO_FEATURE_MODULE").is_none() {
        return;
    }
    let features = std::env::var("DEP_NGINX_FEATURES").unwrap_or_default();
    if !features.split(',').any(|feature| feature == "threads") {
        println!(
            "cargo:warning=this nginx was configured without --with-threads, which the module needs"
        );
    }
    let version = std::env::var("DEP_NGINX_VERSION_NUMBER").unwrap_or_default();
    if version.parse::<u32>().is_ok_and(|version| version >= TERMINATED_SINCE) {
        println!("cargo:rustc-cfg=nginx_terminated");
    }
}
