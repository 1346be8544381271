//! The recipes of `docs/guide/recipes.md`, as they are written there.

use micromint_servers::nginx::{Nginx, nginx};
use micromint_servers::recipes::{self, Php, configuration};
use micromint_servers::server::Server;
use micromint_servers::site::Site;

/// Starts nginx with a recipe, after `prepare` has filled its site.
fn start(recipe: &str, prepare: impl FnOnce(&Site)) -> Nginx {
    let site = recipes::site("nginx", recipe);
    prepare(&site);
    Nginx::start(site, &configuration("nginx", recipe))
}

/// The same, with clients from other networks: their address is in `X-Case-Client`.
fn start_with_addresses(recipe: &str, prepare: impl FnOnce(&Site)) -> Nginx {
    const ADDRESSES: &str = "set_real_ip_from 127.0.0.1; real_ip_header X-Case-Client;";
    let site = recipes::site("nginx", recipe);
    prepare(&site);
    Nginx::start(site, &format!("{ADDRESSES}\n{}", configuration("nginx", recipe)))
}

#[test]
fn wordpress() {
    let nginx = start("wordpress", recipes::prepare_wordpress);
    let _php = Php::start(nginx.site());
    recipes::wordpress(&nginx);
}

#[test]
fn wordpress_for_editors() {
    let nginx = start_with_addresses("wordpress", recipes::prepare_wordpress);
    let _php = Php::start(nginx.site());
    recipes::wordpress_for_editors(&nginx);
}

#[test]
fn laravel() {
    let nginx = start("laravel", recipes::prepare_laravel);
    let _php = Php::start(nginx.site());
    recipes::laravel(&nginx);
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
    let nginx = start("sign-on", recipes::prepare_sign_on);
    recipes::sign_on(&nginx, "Cookie", "sso=alice");
}

#[test]
fn several_sites() {
    recipes::several_sites(&start("several-sites", recipes::prepare_several_sites));
}

#[test]
fn remove() {
    let nginx = start("remove", recipes::prepare_remove);
    recipes::remove(&nginx);
    let site = nginx.stop();
    // Without the module the directives stop nginx from starting; without their file it starts.
    let text = std::fs::read_to_string(site.path("nginx.conf")).unwrap();
    let without: String = text
        .lines()
        .filter(|line| !line.starts_with("load_module") && !line.contains("log_format gate"))
        .map(|line| format!("{}\n", line.replace("access.log gate", "access.log")))
        .collect();
    site.write("nginx.conf", &without);
    let refused = nginx_test(&site);
    assert!(refused.contains("unknown directive \"micromint_config\""), "{refused}");
    std::fs::remove_file(site.path("micromint-news.conf")).unwrap();
    assert!(nginx_test(&site).contains("test is successful"), "{}", nginx_test(&site));
}

/// What `nginx -t` says.
fn nginx_test(site: &Site) -> String {
    String::from_utf8_lossy(&nginx(site, &["-t"]).stderr).into_owned()
}
