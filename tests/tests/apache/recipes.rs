//! The recipes of `docs/guide/recipes.md`, as they are written there.

use micromint_servers::apache::{Apache, Mpm, apache, write_configuration_with};
use micromint_servers::recipes::{self, Php, configuration};
use micromint_servers::server::Server;
use micromint_servers::site::Site;

/// Starts Apache with a recipe, after `prepare` has filled its site.
fn start(recipe: &str, prepare: impl FnOnce(&Site)) -> Apache {
    let site = recipes::site("apache", recipe);
    prepare(&site);
    Apache::start(site, &configuration("apache", recipe))
}

/// The same, with clients from other networks: their address is in `X-Case-Client`.
fn start_with_addresses(recipe: &str, prepare: impl FnOnce(&Site)) -> Apache {
    const ADDRESSES: &str = "RemoteIPHeader X-Case-Client\nRemoteIPInternalProxy 127.0.0.1";
    let site = recipes::site("apache", recipe);
    prepare(&site);
    Apache::start(site, &format!("{ADDRESSES}\n{}", configuration("apache", recipe)))
}

#[test]
fn wordpress() {
    let apache = start("wordpress", recipes::prepare_wordpress);
    let _php = Php::start(apache.site());
    recipes::wordpress(&apache);
}

#[test]
fn wordpress_for_editors() {
    let apache = start_with_addresses("wordpress", recipes::prepare_wordpress);
    let _php = Php::start(apache.site());
    recipes::wordpress_for_editors(&apache);
}

#[test]
fn laravel() {
    let apache = start("laravel", recipes::prepare_laravel);
    let _php = Php::start(apache.site());
    recipes::laravel(&apache);
}

#[test]
fn static_blog() {
    recipes::static_blog(&start("static-blog", recipes::prepare_static_blog));
}

#[test]
fn reverse_proxy() {
    recipes::reverse_proxy(&start("reverse-proxy", recipes::prepare_reverse_proxy));
}

#[test]
fn cdn() {
    recipes::cdn(&start("cdn", recipes::prepare_cdn));
}

#[test]
fn subscribers() {
    recipes::subscribers(&start("subscribers", recipes::prepare_subscribers));
}

#[test]
fn crawlers() {
    recipes::crawlers(&start_with_addresses("crawlers", recipes::prepare_crawlers));
}

#[test]
fn video() {
    recipes::video(&start("video", recipes::prepare_video));
}

#[test]
fn what_the_till_stores() {
    recipes::what_the_till_stores(&start("video", recipes::prepare_video));
}

#[test]
fn sign_on() {
    let apache = start("sign-on", recipes::prepare_sign_on);
    recipes::sign_on(&apache, "X-Remote-User", "alice");
}

#[test]
fn several_sites() {
    recipes::several_sites(&start("several-sites", recipes::prepare_several_sites));
}

#[test]
fn remove() {
    let apache = start("remove", recipes::prepare_remove);
    recipes::remove(&apache);
    let site = apache.stop();
    // The same configuration without the module.
    let text = configuration("apache", "remove");
    write_configuration_with(&site, Mpm::Event, None, &text);
    let said = String::from_utf8_lossy(&self::apache(&site, &["-t"]).stderr).into_owned();
    assert!(said.contains("Syntax OK"), "{said}");
}
