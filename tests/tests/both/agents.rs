//! Programs pay with the user's wallet: curl with `mmwallet answer`, and `mmwallet mcp`. The
//! programs of others are tested by `make test-agents`.

use micromint_servers::agents::{self, Budget, LOGIN, PAGES, PLENTY, User};
use micromint_servers::server::{Server, coins_in, word};

/// Every price over http, one coin over TLS and one beside a password; and again, with other coins,
/// because each payment was settled.
fn a_script_pays_with_credentials(server: &impl Server) {
    let (site, user) = (server.site(), User::new(server, "script"));
    for (page, _) in PAGES {
        let answer = user.fetch_with_curl(&site.url(page), "");
        assert_eq!(answer.short(), word(200, "paid"), "{page}");
        assert!(answer.body.contains("content for"), "{page}");
    }
    let tls = format!("https://localhost:{}/one.html", site.tls_port);
    let members = site.url("/members/page.html");
    for (url, login) in [(tls.as_str(), ""), (&members, LOGIN), (&site.url("/one.html"), "")] {
        assert_eq!(user.fetch_with_curl(url, login).short(), word(200, "paid"), "{url}");
    }
    let payments = user.payments();
    assert_eq!((payments.len(), coins_in(&site.path("till"))), (7, 96));
    assert!(payments.iter().all(|payment| payment["outcome"] == "paid"), "{payments:?}");
}

/// Pages that an agent asks for at the same time cost no more together than its budget.
fn an_agent_pays_within_its_budget(server: &impl Server) {
    let (site, user) = (server.site(), User::new(server, "agent"));
    let urls: Vec<String> = PAGES.iter().map(|(page, _)| site.url(page)).collect();
    let results = user.fetch_by_mcp(&urls, PLENTY);
    for (result, name) in results.iter().zip(["one", "two", "thirty", "sixty"]) {
        assert_eq!(result["content"][1]["text"], format!("content for {name}"), "{result}");
    }
    let urls: Vec<String> = (0..10).map(|page| site.url(&format!("/two.html?{page}"))).collect();
    let budget = Budget { autopay: "0.02 USD", task_limit: "0.06 USD" };
    let results = user.fetch_by_mcp(&urls, budget);
    let paid = results.iter().filter(|result| result["isError"] != true).count();
    assert_eq!((paid, coins_in(&site.path("till"))), (3, 93 + 6), "{results:?}");
}

#[test]
fn a_script_pays_with_credentials_on_nginx() {
    a_script_pays_with_credentials(&agents::nginx(agents::site()));
}

#[test]
fn a_script_pays_with_credentials_on_apache() {
    a_script_pays_with_credentials(&agents::apache(agents::site()));
}

#[test]
fn an_agent_pays_within_its_budget_on_nginx() {
    an_agent_pays_within_its_budget(&agents::nginx(agents::site()));
}

#[test]
fn an_agent_pays_within_its_budget_on_apache() {
    an_agent_pays_within_its_budget(&agents::apache(agents::site()));
}
